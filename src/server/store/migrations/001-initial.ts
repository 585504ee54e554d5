import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

/** Plain SQL that SQLite and Postgres both read, but for the two words that differ (BLOB, AUTOINCREMENT). */
const STATEMENTS = [
  `CREATE TABLE organizations (
    id TEXT PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    "imageQuota" INTEGER NOT NULL, "createdAt" INTEGER NOT NULL)`,
  `CREATE TABLE users (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT, "createdAt" INTEGER NOT NULL)`,
  `CREATE TABLE memberships (
    "organizationId" TEXT NOT NULL REFERENCES organizations(id) ON DELETE CASCADE,
    "userId" TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    "permissionsJson" TEXT NOT NULL, PRIMARY KEY ("organizationId", "userId"))`,
  `CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    "organizationId" TEXT NOT NULL REFERENCES organizations(id) ON DELETE CASCADE,
    "userId" TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, masked TEXT NOT NULL, "permissionsJson" TEXT NOT NULL,
    "createdByKeyId" TEXT, "createdAt" INTEGER NOT NULL, "expiresAt" INTEGER, "lastUsedAt" INTEGER,
    UNIQUE ("organizationId", "userId", name))`,
  `CREATE INDEX api_keys_creator ON api_keys ("createdByKeyId")`,
  `CREATE TABLE registries (
    id TEXT PRIMARY KEY,
    "organizationId" TEXT NOT NULL REFERENCES organizations(id) ON DELETE CASCADE,
    name TEXT NOT NULL, host TEXT NOT NULL, secure INTEGER NOT NULL, username TEXT NOT NULL,
    "sealedPassword" TEXT NOT NULL, project TEXT NOT NULL, "isDefault" INTEGER NOT NULL,
    "createdAt" INTEGER NOT NULL, "updatedAt" INTEGER NOT NULL,
    UNIQUE ("organizationId", name), UNIQUE ("organizationId", host))`,
  `CREATE TABLE repositories (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    "organizationId" TEXT NOT NULL REFERENCES organizations(id) ON DELETE CASCADE,
    path TEXT NOT NULL, "createdAt" INTEGER NOT NULL, UNIQUE ("organizationId", path))`,
  `CREATE TABLE blobs (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, "createdAt" INTEGER NOT NULL)`,
  `CREATE TABLE blob_links (
    "repositoryId" INTEGER NOT NULL REFERENCES repositories(id) ON DELETE CASCADE,
    digest TEXT NOT NULL REFERENCES blobs(digest), "touchedAt" INTEGER NOT NULL,
    PRIMARY KEY ("repositoryId", digest))`,
  `CREATE INDEX blob_links_digest ON blob_links (digest)`,
  `CREATE TABLE manifests (
    "repositoryId" INTEGER NOT NULL REFERENCES repositories(id) ON DELETE CASCADE,
    digest TEXT NOT NULL, "mediaType" TEXT NOT NULL, size INTEGER NOT NULL, content BLOB NOT NULL,
    subject TEXT, "artifactType" TEXT, "annotationsJson" TEXT,
    "createdAt" INTEGER NOT NULL, "touchedAt" INTEGER NOT NULL, PRIMARY KEY ("repositoryId", digest))`,
  `CREATE INDEX manifests_subject ON manifests ("repositoryId", subject)`,
  `CREATE TABLE manifest_references (
    "repositoryId" INTEGER NOT NULL, "manifestDigest" TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY ("repositoryId", "manifestDigest", digest),
    FOREIGN KEY ("repositoryId", "manifestDigest") REFERENCES manifests ("repositoryId", digest) ON DELETE CASCADE)`,
  `CREATE INDEX manifest_references_digest ON manifest_references ("repositoryId", digest)`,
  `CREATE TABLE tags (
    "repositoryId" INTEGER NOT NULL REFERENCES repositories(id) ON DELETE CASCADE,
    tag TEXT NOT NULL, digest TEXT NOT NULL, "updatedAt" INTEGER NOT NULL, "expiresAt" INTEGER,
    PRIMARY KEY ("repositoryId", tag))`,
  `CREATE INDEX tags_digest ON tags ("repositoryId", digest)`,
  `CREATE TABLE uploads (
    id TEXT PRIMARY KEY, "repositoryId" INTEGER NOT NULL REFERENCES repositories(id) ON DELETE CASCADE,
    "createdAt" INTEGER NOT NULL, "expiresAt" INTEGER NOT NULL)`,
  `CREATE TABLE images (
    id TEXT PRIMARY KEY,
    "organizationId" TEXT NOT NULL REFERENCES organizations(id) ON DELETE CASCADE,
    name TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT, "sourceJson" TEXT NOT NULL,
    state TEXT NOT NULL, step TEXT, "reasonJson" TEXT, enabled INTEGER NOT NULL, general INTEGER NOT NULL,
    "sizeBytes" INTEGER, "entrypointJson" TEXT, "ownEntrypointJson" TEXT, platform TEXT, "labelsJson" TEXT NOT NULL,
    visibility TEXT NOT NULL, description TEXT, "createdBy" TEXT,
    "createdAt" INTEGER NOT NULL, "updatedAt" INTEGER NOT NULL, "lastUsedAt" INTEGER,
    "stateSince" INTEGER NOT NULL, attempt INTEGER NOT NULL, "nextAttemptAt" INTEGER NOT NULL,
    "leaseOwner" TEXT, "leaseUntil" INTEGER, UNIQUE ("organizationId", name))`,
  // One per sort order and filter of the list; the expressions are those of images/list.ts, word for word.
  `CREATE INDEX images_created ON images ("organizationId", "createdAt", id)`,
  `CREATE INDEX images_updated ON images ("organizationId", "updatedAt", id)`,
  `CREATE INDEX images_size ON images ("organizationId", COALESCE("sizeBytes", -1), id)`,
  `CREATE INDEX images_used ON images ("organizationId", COALESCE("lastUsedAt", -1), id)`,
  `CREATE INDEX images_visibility ON images ("organizationId", visibility, "createdAt", id)`,
  `CREATE INDEX images_state ON images ("organizationId", state, "createdAt", id)`,
  // What an image's manifest is held by: deleting and collecting ask for it.
  `CREATE INDEX images_digest ON images ("organizationId", repository, digest)`,
  `CREATE INDEX images_work ON images (state, "nextAttemptAt")`,
  `CREATE TABLE image_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, "imageId" TEXT NOT NULL, at INTEGER NOT NULL, type TEXT NOT NULL,
    state TEXT, "reasonJson" TEXT, actor TEXT, digest TEXT)`,
  `CREATE INDEX image_events_image ON image_events ("imageId", id)`,
]
