/** One line of `--trace`. */
export function traceLine(nowMs: number, who: string, message: string, fields?: object): string {
  return `${(nowMs / 1_000).toFixed(4).padStart(9)} ${who.padEnd(10)} ${message}${fields === undefined ? '' : ` ${describe(fields)}`}`
}

function describe(fields: object): string {
  return JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? (value.stack ?? value.message) : value))
}
