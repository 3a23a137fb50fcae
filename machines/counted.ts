/** A count with its noun, for a person: `1 job`, `2 jobs`, `0 jobs`. `plural` where it is not the noun with an "s". */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`
}
