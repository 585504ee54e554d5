import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

/** Another repository of the organization has the blob too. */
const elsewhere = (row: 'NEW' | 'OLD') => `EXISTS (SELECT 1 FROM blob_links l
  JOIN repositories p ON p.id = l."repositoryId"
  WHERE l.digest = ${row}.digest AND p."organizationId" = organizations.id
    AND l."repositoryId" <> ${row}."repositoryId")`

const adding = (sign: '+' | '-', row: 'NEW' | 'OLD') => `UPDATE organizations
  SET "storedBytes" = "storedBytes" ${sign} (SELECT size FROM blobs WHERE digest = ${row}.digest)
  WHERE id = (SELECT "organizationId" FROM repositories WHERE id = ${row}."repositoryId")
    AND NOT ${elsewhere(row)};`

/** Triggers, so that the sum is right whoever adds or removes a link: counting anew would take as long as all links. */
const STATEMENTS = [
  `ALTER TABLE organizations ADD COLUMN "storedBytes" INTEGER NOT NULL DEFAULT 0`,
  `UPDATE organizations SET "storedBytes" = (SELECT COALESCE(SUM(b.size), 0) FROM blobs b
    WHERE EXISTS (SELECT 1 FROM blob_links l JOIN repositories p ON p.id = l."repositoryId"
      WHERE l.digest = b.digest AND p."organizationId" = organizations.id))`,
  `CREATE TRIGGER blob_links_added AFTER INSERT ON blob_links BEGIN ${adding('+', 'NEW')} END`,
  `CREATE TRIGGER blob_links_removed AFTER DELETE ON blob_links BEGIN ${adding('-', 'OLD')} END`,
]
