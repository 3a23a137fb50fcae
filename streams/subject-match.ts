/** Subjects against patterns with the wildcards of NATS: `*` one token, `>` one or more at the end. */

export type SubjectTest = (subject: string) => boolean

/** True where any pattern fits; no pattern at all fits every subject. */
export function subjectTest(patterns: readonly string[]): SubjectTest {
  if (patterns.length === 0) return () => true
  const exact = new Set(patterns.filter((pattern) => !isPattern(pattern)))
  const wild = patterns.filter(isPattern).map((pattern) => pattern.split('.'))
  if (wild.length === 0) return (subject) => exact.has(subject)
  return (subject) => {
    if (exact.has(subject)) return true
    const tokens = subject.split('.')
    return wild.some((pattern) => fits(pattern, tokens))
  }
}

function isPattern(subject: string): boolean {
  return subject.includes('*') || subject.endsWith('>')
}

function fits(pattern: readonly string[], tokens: readonly string[]): boolean {
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === '>' && i === pattern.length - 1) return tokens.length > i
    if (i >= tokens.length) return false
    if (pattern[i] !== '*' && pattern[i] !== tokens[i]) return false
  }
  return tokens.length === pattern.length
}
