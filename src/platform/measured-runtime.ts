/** Of V8, whose settings this program changes where it was measured what they do. */
const measuredWith = '13.'

/** Whether this is the runtime that the settings were measured with; another would complain of a flag that it does not know. */
export function isMeasuredRuntime(): boolean {
  return process.versions.v8.startsWith(measuredWith)
}
