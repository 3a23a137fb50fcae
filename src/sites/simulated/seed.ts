/** The services that a new simulated site begins with: the same for the same seed and count. */
import type { Service } from '../../../machines/service/model.ts'

const departments = ['Finance', 'Research', 'Support', 'Sales', 'Legal']
const places = ['Berlin', 'Kraków', 'Zürich', 'Osaka']
const applications = ['Ledger', 'CAD', 'Mail', 'Browser', 'Terminal']

/** The n-th service, from 1. */
export function seededService(seed: string, n: number): Service {
  const draw = dice(seed, n)
  const department = departments[draw(departments.length)]!
  const place = places[draw(places.length)]!
  const number = String(n).padStart(5, '0')
  const isApplication = draw(5) === 0
  const assignment = (['fixed', 'first-access', 'pooled'] as const)[draw(3)]!
  return {
    id: `${isApplication ? 'a' : 'd'}${number}`,
    name: isApplication ? `${applications[draw(applications.length)]!} ${department} ${number}` : `Desktop ${department} ${number}`,
    kind: isApplication ? 'application' : 'desktop',
    delivery: isApplication ? (['hosted', 'streamed'] as const)[draw(2)]! : draw(10) === 0 ? 'local' : 'hosted',
    folder: `${department}/${place}`,
    group: assignment === 'pooled' ? `pool-${department.toLowerCase()}` : draw(2) === 0 ? `staff-${department.toLowerCase()}` : null,
    power: draw(3) === 0 ? 'off' : 'on',
    maintenance: false,
    assignment,
    users: assignment === 'fixed' && draw(4) !== 0 ? [`user-${String(1 + draw(9999)).padStart(4, '0')}`] : [],
    userGroups: [`${department.toLowerCase()}-users`],
    sessions: [],
  }
}

/** Pseudo-random whole numbers below `sides`, drawn from (seed, n): FNV-1a for the state, xorshift32 for the draws. */
function dice(seed: string, n: number): (sides: number) => number {
  let state = 2166136261
  for (const unit of `${seed}/${n}`) state = Math.imul(state ^ unit.codePointAt(0)!, 16777619)
  state ||= 1
  return (sides) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % sides
  }
}
