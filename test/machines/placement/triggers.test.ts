/** Default trigger configurations [604]: what the jobs of a trigger will ask for, and what of that nobody has. */
import { describe, expect, it } from 'vitest'
import type { JobCandidate } from '../../../machines/placement/jobs.ts'
import { type SiteAsks, type TriggerToMap, mapTriggers } from '../../../machines/placement/triggers.ts'

const agent = (id: string, more: Partial<JobCandidate> = {}): JobCandidate => ({ agent: id, region: 'east', role: 'generic', skills: [], leads: false, load: 0, ...more })
const asks = (region: string, skill?: string, need: 'required' | 'preferred' = 'required'): SiteAsks => ({ region, ...(skill === undefined ? {} : { skill: { name: skill, need } }) })
const trigger = (id: string, ...sites: SiteAsks[]): TriggerToMap => ({ trigger: id, changes: [{ asks: sites }] })
const skilled = agent('s1', { role: 'skilled', region: 'west', skills: ['libvirt'] })

describe('the mapping of triggers', () => {
  it('of one that somebody can carry out: the default groups of its sites, each once, in order', () => {
    const given = [trigger('t', asks('west', 'libvirt'), asks('east'), asks('west', 'libvirt'), asks('east', 'libvirt'))]
    expect(mapTriggers(given, [agent('g1'), skilled])).toEqual({
      triggers: [{ trigger: 't', groups: [{ region: 'east', skill: null }, { region: 'east', skill: 'libvirt' }, { region: 'west', skill: 'libvirt' }] }],
      more: 0,
    })
  })

  it('says which skill nobody has, in no region', () => {
    expect(mapTriggers([trigger('t', asks('east', 'libvirt'), asks('east'))], [agent('g1')]).triggers).toMatchObject([{ missing: ['libvirt'] }])
    expect(mapTriggers([trigger('t', asks('east', 'libvirt'))], [agent('g1'), skilled]).triggers[0]).not.toHaveProperty('missing')
  })

  it('a skill that only helps is not missing while anybody takes jobs that ask for none', () => {
    const helps = [trigger('t', asks('east', 'libvirt', 'preferred'))]
    expect(mapTriggers(helps, [agent('g1')]).triggers[0]).not.toHaveProperty('missing')
    expect(mapTriggers(helps, [agent('s2', { skills: ['drill'], skilledOnly: true })]).triggers).toMatchObject([{ missing: ['libvirt'] }])
  })

  it('says that all who are there take jobs of their skills only, or that nobody has the role that the change asks for', () => {
    expect(mapTriggers([trigger('t', asks('east'))], [agent('s2', { skills: ['drill'], skilledOnly: true })]).triggers).toMatchObject([{ missing: ['no skill'] }])
    const byRole: TriggerToMap = { trigger: 't', changes: [{ asks: [asks('east')], agents: 'skilled' }] }
    expect(mapTriggers([byRole], [agent('g1')]).triggers).toMatchObject([{ missing: ['no skill', 'role skilled'] }])
    expect(mapTriggers([byRole], [agent('g1'), skilled]).triggers[0]).not.toHaveProperty('missing')
  })

  it('the alternate change counts too, by the role that it asks for', () => {
    const given: TriggerToMap = { trigger: 't', changes: [{ asks: [asks('east')] }, { asks: [asks('west', 'drill')], agents: 'generic' }] }
    expect(mapTriggers([given], [agent('g1')]).triggers).toEqual([
      { trigger: 't', groups: [{ region: 'east', skill: null }, { region: 'west', skill: 'drill' }], missing: ['drill', 'role generic'] },
    ])
  })

  it('one without any site asks for nothing, and nothing is missing', () => {
    expect(mapTriggers([trigger('t')], [])).toEqual({ triggers: [{ trigger: 't', groups: [] }], more: 0 })
  })

  it('is bounded: those that somebody is missing for are kept first, and the others are counted', () => {
    const many = [...Array.from({ length: 50 }, (_, index) => trigger(`a${index}`, asks('east'))), trigger('z', asks('east', 'libvirt'))]
    const { triggers, more } = mapTriggers(many, [agent('g1')], 400)
    expect(JSON.stringify(triggers).length).toBeLessThanOrEqual(400)
    expect(triggers.map(({ trigger: id }) => id)).toEqual(['a0', 'a1', 'a10', 'a11', 'a12', 'z'])
    expect(more).toBe(45)
  })
})
