/** Parts that several requests and answers share. */
import { z } from 'zod'
import type { MachineState } from '../agent-messages.ts'
import { idPattern, regionPattern } from '../subjects.ts'

export const id = z.string().regex(idPattern, 'use 1 to 64 letters, digits, "_" or "-"')
export const siteId = id.describe('realm-wide id of a site')
export const groupIdText = id.describe('id of an execution group: LANE-COMMANDID')
export const region = z.string().regex(regionPattern, 'use 1 to 20 letters, digits, "_" or "-"')
export const ulid = z
  .string()
  .regex(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/, 'this is not a ULID')
  .describe('a ULID')
export const digest = z.string().regex(/^[0-9a-f]{64}$/).describe('SHA-256 in lower-case hex')
export const count = z.int().min(0)
export const position = count.describe('position in the log')
export const timeMs = z.int().describe('milliseconds since the Unix epoch')

/** What a person may write: any Unicode text that UTF-8 can say. */
export function text(most: number) {
  return z
    .string()
    .max(most)
    .refine((value) => value.isWellFormed(), 'holds half of a surrogate pair')
}

/** Of a trigger. */
export const missingForTrigger = z
  .array(z.string())
  .describe('skills, "no skill" or a role, for which the leader finds no agent, so that jobs that ask for one would wait; empty where there is somebody for all of them')

/** As `text`, for what is shown on one line: line breaks become spaces. */
export function oneLine(most: number) {
  return text(most).overwrite((value) => value.replace(/[\r\n\v\f\u0085\u2028\u2029]+/g, ' '))
}

export const actor = z
  .string()
  .regex(/^(person|program):[A-Za-z0-9_-]{1,64}$/)
  .default('program:unknown')
  .describe('who asks: person:ID or program:ID')

/** P15: made by the service where it is absent; who repeats a request gives the one of the first attempt. */
export const commandId = ulid.optional().describe('id of this command, the same in every repetition; made by the service where absent')

export const pageLimit = z.int().min(1).max(1000).default(100).describe('most items of this page; there may be fewer, for their size')
export const after = z.string().optional().describe('`next` of the page before')
export const next = z.string().nullable().describe('give it as `after` for the next page; null after the last')

export function success<Shape extends z.core.$ZodShape>(shape: Shape) {
  return z.object({ ok: z.literal(true), ...shape })
}

export const priority = z.int().min(-100).max(100).describe('a higher one is granted locks first')
export const serviceKind = z.enum(['desktop', 'application', 'machine'])
export const propertyValue = z.union([z.string(), z.boolean(), z.null()])

export const runs = z.array(z.tuple([z.int(), z.int()])).describe('runs of consecutive job numbers, first and last')
export const reason = z.object({ code: z.string(), text: z.string(), full: z.exactOptional(z.string()) })

/** What was written, and where: only what is durable is answered (I8). */
export const written = {
  position: position.describe('position in the log of what was written; 0 where it was so already'),
  revision: count.describe('revision of the aggregate after it'),
}

/** As XState's tools read it: a name, or an object of regions. */
export const machineState: z.ZodType<MachineState> = z.lazy(() => z.union([z.string(), z.record(z.string(), machineState)]))
