/** What every adapter of the bus guarantees. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MalformedMessage } from '../../streams/coordination.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { eventually } from '../support/eventually.ts'
import type { ConformanceRealm, RealmFactory } from './realm.ts'
import { bytesOf, textOf } from './realm.ts'

export function testBus(factory: RealmFactory): void {
  describe('bus', () => {
    let realm: ConformanceRealm
    let near: Coordinator
    let bus: Bus
    let far: Bus

    beforeEach(async () => {
      realm = await factory()
      near = await realm.connect('near')
      bus = near.bus
      far = (await realm.connect('far')).bus
    })
    afterEach(async () => {
      await realm[Symbol.asyncDispose]()
    })

    test('a subscriber hears what is published on its subject, in order, until it stops', async () => {
      const heard: string[] = []
      const subscription = far.subscribe('t.*.x', (message) => heard.push(`${message.subject} ${textOf(message.data)} ${message.wantsAnswer}`))
      await far.flush(30_000)
      for (let i = 0; i < 3; i++) bus.publish('t.a.x', bytesOf(`${i}`))
      bus.publish('t.a.y', bytesOf('no'))
      await eventually(() => heard.length === 3)
      expect(heard).toEqual(['t.a.x 0 false', 't.a.x 1 false', 't.a.x 2 false'])
      subscription.stop()
      await far.flush(30_000)
      bus.publish('t.a.x', bytesOf('late'))
      await bus.flush(30_000)
      await far.flush(30_000)
      expect(heard).toHaveLength(3)
    })

    test('a message that its listener finds malformed counts as lost: those behind it come, on the same connection', async () => {
      const heard: string[] = []
      const read = (data: Uint8Array) => {
        if (textOf(data) === 'bad') throw new MalformedMessage('not what this subject is for')
        heard.push(textOf(data))
      }
      far.subscribe('t', ({ data }) => read(data))
      await far.flush(30_000)
      for (const text of ['1', 'bad', '2']) bus.publish('t', bytesOf(text))
      await eventually(() => heard.length === 2)
      expect(heard).toEqual(['1', '2'])
      expect(far.link).toBe('connected')
    })

    test('an answer that its asker finds malformed is passed over', async () => {
      far.subscribe('ask', (message) => {
        message.answer(bytesOf('bad'))
        message.answer(bytesOf('good'))
      })
      await far.flush(30_000)
      const accept = (data: Uint8Array) => {
        if (textOf(data) === 'bad') throw new MalformedMessage('no answer')
        return true
      }
      const asked = await bus.ask('ask', bytesOf('?'), { timeoutMs: 30_000, accept })
      expect(asked.kind === 'answer' && textOf(asked.data)).toBe('good')
    })

    test('of a queue group one member hears each message; others hear all', async () => {
      let members = 0
      let alone = 0
      for (const each of [bus, far, far]) each.subscribe('q', () => members++, { queue: 'workers' })
      far.subscribe('q', () => alone++)
      await Promise.all([bus.flush(30_000), far.flush(30_000)])
      for (let i = 0; i < 20; i++) bus.publish('q', bytesOf('x'))
      await eventually(() => alone === 20)
      await eventually(() => members === 20)
    })

    test('an asker gets the answer', async () => {
      far.subscribe('ask', (message) => message.answer(bytesOf(`you said ${textOf(message.data)}`)))
      await far.flush(30_000)
      const asked = await bus.ask('ask', bytesOf('hello'), { timeoutMs: 30_000 })
      expect(asked.kind === 'answer' && textOf(asked.data)).toBe('you said hello')
    })

    test('that nobody listens is known at once', async () => {
      expect(await bus.ask('nobody', bytesOf(''), { timeoutMs: 20_000 })).toEqual({ kind: 'no-responders' })
    })

    test('which of several messages somebody subscribes to is known, and who does hears them in order', async () => {
      const heard: string[] = []
      far.subscribe('some.*', (message) => heard.push(textOf(message.data)))
      far.subscribe('some.2', (message) => message.answer(bytesOf('an answer that nobody asked for')))
      await far.flush(30_000)
      const subjects = ['some.1', 'none.1', 'some.2', 'none.2', 'some.1']
      expect(await bus.publishHeard(subjects.map((subject, index) => ({ subject, data: bytesOf(`${index}`) })), 30_000)).toEqual([true, false, true, false, true])
      await eventually(() => heard.length === 3)
      expect(heard).toEqual(['0', '2', '4'])
      expect(await bus.publishHeard([], 30_000)).toEqual([])
    })

    test('no answer is a time-out', async () => {
      far.subscribe('mute', () => {})
      await far.flush(30_000)
      expect(await bus.ask('mute', bytesOf(''), { timeoutMs: 50 })).toEqual({ kind: 'timeout' })
    })

    test('P5: an asker passes over answers that it does not accept', async () => {
      far.subscribe('lane', (message) => message.answer(bytesOf('not the holder')))
      bus.subscribe('lane', (message) => {
        message.answer(bytesOf('not the holder'))
        message.answer(bytesOf('yes'))
      })
      await Promise.all([bus.flush(30_000), far.flush(30_000)])
      const accept = (data: Uint8Array) => textOf(data) !== 'not the holder'
      const asked = await bus.ask('lane', bytesOf(''), { timeoutMs: 30_000, accept })
      expect(asked.kind === 'answer' && textOf(asked.data)).toBe('yes')
      expect(await bus.ask('lane', bytesOf(''), { timeoutMs: 100, accept: () => false })).toEqual({ kind: 'timeout' })
    })

    test('a service answers on the subjects of its endpoints, shared among its instances', async () => {
      let handled = 0
      const definition = (name: string) => ({
        name: 'reeve',
        version: '1.0.0',
        description: 'a test',
        metadata: {},
        queue: 'reeve',
        endpoints: [
          {
            name: 'site-list',
            subject: 'r.api.v1.site.list',
            metadata: { schema: '{}' },
            handle: (message: { answer(data: Uint8Array): void }) => {
              handled++
              message.answer(bytesOf(name))
            },
          },
        ],
      })
      const first = await bus.serve(definition('one'))
      const second = await far.serve(definition('two'))
      await Promise.all([bus.flush(30_000), far.flush(30_000)])
      for (let i = 0; i < 5; i++) {
        const asked = await bus.ask('r.api.v1.site.list', bytesOf(''), { timeoutMs: 30_000 })
        expect(asked.kind === 'answer' && ['one', 'two'].includes(textOf(asked.data))).toBe(true)
      }
      expect(handled).toBe(5)
      first.stop()
      second.stop()
      await eventually(async () => (await bus.ask('r.api.v1.site.list', bytesOf(''), { timeoutMs: 30_000 })).kind === 'no-responders')
    })

    test('the loss of the server is seen, nothing is sent meanwhile, and subscriptions live on', async () => {
      const states: string[] = []
      bus.onLink((state) => states.push(state))
      let heard = 0
      far.subscribe('s', () => heard++)
      expect(bus.link).toBe('connected')
      await realm.stop()
      await eventually(() => bus.link === 'disconnected' && far.link === 'disconnected')
      bus.publish('s', bytesOf('lost'))
      expect(await bus.ask('s', bytesOf(''), { timeoutMs: 1_000 })).toEqual({ kind: 'offline' })
      await expect(bus.flush(100)).rejects.toBeInstanceOf(Unavailable)
      await expect(bus.publishHeard([{ subject: 's', data: bytesOf('lost') }], 100)).rejects.toBeInstanceOf(Unavailable)
      await realm.start()
      await eventually(() => bus.link === 'connected' && far.link === 'connected')
      expect(states).toEqual(['disconnected', 'connected'])
      await far.flush(30_000)
      bus.publish('s', bytesOf('heard'))
      await eventually(() => heard > 0)
      expect(heard).toBe(1)
    })

    test('a question under way when the server goes ends without its time-out', async () => {
      far.subscribe('mute', () => {})
      await far.flush(30_000)
      const asking = bus.ask('mute', bytesOf(''), { timeoutMs: 600_000 })
      await realm.stop()
      expect(await asking).toEqual({ kind: 'timeout' })
      await realm.start()
    })

    test('a closed client hears nothing and sends nothing', async () => {
      let heard = 0
      bus.subscribe('s', () => heard++)
      await bus.flush(30_000)
      await near.close()
      far.publish('s', bytesOf('x'))
      await far.flush(30_000)
      expect(heard).toBe(0)
      bus.publish('s', bytesOf('x'))
      expect(await bus.ask('s', bytesOf(''), { timeoutMs: 1_000 })).toEqual({ kind: 'offline' })
    })
  })
}
