/** The setting `server`: one URL, or several with the region that each is in, `REGION=URL`, separated by commas or as a list in the file. */
import { z } from 'zod'
import type { ServerPlace } from '../../machines/coordinator/choice.ts'

const one = /^([A-Za-z0-9_-]{1,20}=)?(nats|tls):\/\/[^\s/@,=]+$/
const advice = 'give a URL such as nats://127.0.0.1:4222, without a login in it; or several, each REGION=URL, separated by commas'

const list = z
  .string()
  .refine((text) => text.split(',').every((part) => one.test(part)), advice)

/** Text as on a command line; a list is for the file. */
export const serverSetting = z.union([list, z.array(list).min(1, advice)], advice)

/** As they were named. `given` has been judged by `serverSetting`. */
export function serversOf(given: z.infer<typeof serverSetting>): readonly ServerPlace[] {
  const parts = [given].flat().flatMap((text) => text.split(','))
  return parts.map((part) => {
    const cut = part.indexOf('=')
    return cut === -1 ? { url: part, region: null } : { url: part.slice(cut + 1), region: part.slice(0, cut) }
  })
}
