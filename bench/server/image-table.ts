import { randomUUID } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'

const TEAMS = 50
const REPOSITORIES = 500
const ENVIRONMENTS = ['production', 'staging', 'development']
/** One in so many failed its validation. */
const FAILED_EVERY = 40
const MINUTE_MS = 60_000

/** Fills the images table of a stopped server, straight in its database, as years of use would. */
export function fillImages(file: string, count: number): void {
  const database = new DatabaseSync(file)
  const { id: organizationId } = database.prepare('SELECT id FROM organizations').get() as { id: string }
  const columns = {
    id: () => randomUUID(),
    organizationId: () => organizationId,
    name: (i: number) => `${repository(i)}:${tag(i)}`,
    repository,
    tag,
    digest: (i: number) => `sha256:${i.toString(16).padStart(64, '0')}`,
    sourceJson: () => '{"kind":"pushed"}',
    state: (i: number) => (i % FAILED_EVERY === 0 ? 'error' : 'active'),
    enabled: () => 1,
    general: () => 0,
    sizeBytes: (i: number) => (i * 7_919) % 3_000_000_000,
    platform: () => 'linux/amd64',
    labelsJson: (i: number) =>
      JSON.stringify({
        team: `team-${i % TEAMS}`,
        environment: ENVIRONMENTS[i % ENVIRONMENTS.length],
        build: String(i),
      }),
    visibility: (i: number) => (i % 10 === 0 ? 'public' : 'private'),
    createdAt: (i: number) => i * MINUTE_MS,
    updatedAt: (i: number) => i * MINUTE_MS,
    stateSince: (i: number) => i * MINUTE_MS,
    attempt: () => 0,
    nextAttemptAt: () => 0,
  }
  const names = Object.keys(columns)
  const insert = database.prepare(
    `INSERT INTO images (${names.map((name) => `"${name}"`).join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
  )
  const values = Object.values(columns)
  database.exec('BEGIN')
  for (let i = 1; i <= count; i++) insert.run(...values.map((value) => value(i)))
  database.exec('COMMIT')
  database.close()
}

function repository(i: number): string {
  return `service-${i % REPOSITORIES}/api`
}

function tag(i: number): string {
  return `1.${i}`
}
