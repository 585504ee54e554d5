import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'

/** A net below the rule that no secret is given to the log. */
const SECRET_FIELDS = ['authorization', 'password', 'secret', 'token', 'value', 'sealedPassword']

/** JSON lines; to stderr unless `stream` is given. */
export function createLog(level: string, stream?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
        censor: '***',
      },
    },
    stream ?? destination({ fd: 2, sync: true }),
  )
}
