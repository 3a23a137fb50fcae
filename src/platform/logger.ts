/** Log lines of a program: JSON, one a line, to standard error or to a file (levels: docs/logging.md). */
import { pino } from 'pino'

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

/** Errors stand under either name; without a serializer JSON would show one as `{}`. */
const serializers = { error: pino.stdSerializers.err, err: pino.stdSerializers.err }

export interface LoggerOptions {
  /** Stands in every line, beside the process id. */
  readonly name: string
  readonly level: LogLevel
  /** Appended to; standard error when absent. */
  readonly file?: string
}

/** Written before each call returns, so that the last line before a crash is there. */
export function createLogger(options: LoggerOptions): {
  readonly [Level in LogLevel]: (fields: object, message: string) => void
} {
  const destination = pino.destination({ dest: options.file ?? 2, sync: true, append: true, mkdir: true })
  const logger = pino({ name: options.name, level: options.level, serializers, timestamp: pino.stdTimeFunctions.isoTime }, destination)
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  }
}
