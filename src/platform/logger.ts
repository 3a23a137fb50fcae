/** Log lines of a program: JSON, one a line, to standard error or to a file (levels: docs/logging.md). */
import { pino } from 'pino'

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

/** Errors stand under either name; without a serializer JSON would show one as `{}`. */
const serializers = { error: pino.stdSerializers.err, err: pino.stdSerializers.err }

/** What waits for a disk that is full, characters; of more the newest lines are lost. */
const mostWaiting = 1024 * 1024

export interface LoggerOptions {
  /** Stands in every line, beside the process id. */
  readonly name: string
  readonly level: LogLevel
  /** Appended to; standard error when absent. */
  readonly file?: string
}

/**
 * Written before each call returns, so that the last line before a crash is there. A line that cannot be written (the disk is full) waits for
 * the next one, or is lost, and never the program with it.
 */
export function createLogger(options: LoggerOptions): {
  readonly [Level in LogLevel]: (fields: object, message: string) => void
} {
  const destination = pino.destination({ dest: options.file ?? 2, sync: true, append: true, mkdir: true, maxLength: mostWaiting })
  const logger = pino({ name: options.name, level: options.level, serializers, timestamp: pino.stdTimeFunctions.isoTime }, destination)
  // Without a listener it would end the process.
  destination.on('error', () => {})
  const say = (level: LogLevel) => (fields: object, message: string) => {
    try {
      logger[level](fields, message)
    } catch {
      // Nowhere to say it.
    }
  }
  return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
}
