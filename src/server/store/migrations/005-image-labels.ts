import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const labelsOf = (row: 'images' | 'NEW' | 'OLD') =>
  `SELECT ${row}."organizationId", l.key, l.value, ${row}.id
    FROM ${row === 'images' ? 'images, ' : ''}json_each(${row}."labelsJson") l`

const add = `INSERT OR IGNORE INTO image_labels ${labelsOf('NEW')};`
const remove = `DELETE FROM image_labels WHERE ("organizationId", key, value, "imageId") IN (${labelsOf('OLD')});`

/**
 * What a list filters by; `labelsJson` is what is shown. Triggers, so that both are the same whoever writes. The key is also
 * the index that a row is removed by, and no other is needed.
 */
const STATEMENTS = [
  `CREATE TABLE image_labels (
    "organizationId" TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, "imageId" TEXT NOT NULL,
    PRIMARY KEY ("organizationId", key, value, "imageId")) WITHOUT ROWID`,
  // In the order of the key, which is written faster.
  `INSERT OR IGNORE INTO image_labels ${labelsOf('images')} ORDER BY 1, 2, 3, 4`,
  `CREATE TRIGGER image_labels_added AFTER INSERT ON images BEGIN ${add} END`,
  `CREATE TRIGGER image_labels_changed AFTER UPDATE OF id, "organizationId", "labelsJson" ON images
    BEGIN ${remove} ${add} END`,
  `CREATE TRIGGER image_labels_removed AFTER DELETE ON images BEGIN ${remove} END`,
]
