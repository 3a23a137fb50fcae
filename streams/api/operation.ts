/** Operations as requests give them: `machines/service/operation.ts`, judged. */
import { z } from 'zod'
import type { Operation } from '../../machines/service/operation.ts'
import { text } from './common.ts'

const user = text(256).min(1).describe("the site's account name of a user")

export const operationSchema = z
  .discriminatedUnion('name', [
    z.strictObject({ name: z.literal('start') }),
    z.strictObject({ name: z.literal('stop') }),
    z.strictObject({ name: z.literal('maintenance-on') }),
    z.strictObject({ name: z.literal('maintenance-off') }),
    z.strictObject({ name: z.literal('rename'), to: text(256).min(1).describe('the new name, any Unicode text') }),
    z.strictObject({ name: z.literal('assign'), user }),
    z.strictObject({ name: z.literal('deassign'), user }),
    z.strictObject({ name: z.literal('rehearse') }),
  ])
  .describe('what is done to each service') satisfies z.ZodType<Operation>
