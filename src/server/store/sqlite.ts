import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { SqliteAdapter, SqliteDialect } from 'kysely'
import { diskFull, isDatabaseFull } from './failure.ts'

/** How long a statement waits for another process's write before it fails. */
const BUSY_TIMEOUT_MS = 10_000
/** Statements kept prepared; Kysely's SQL texts are few and repeat. */
const MAX_PREPARED = 500
const RETURNS_ROWS = /^\s*(?:select|with|pragma|explain|values)\b|\breturning\b/i

/** An upgrade that is cut off, or finds the disk full, must leave the tables as they were: all of it is one transaction. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

class TransactionalDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalAdapter()
  }
}

/**
 * Kysely on `node:sqlite`: write-ahead log, and a commit that returns only when the data is on disk
 * (https://www.sqlite.org/pragma.html#pragma_synchronous, FULL).
 */
export function sqliteDialect(
  file: string,
  { readOnly = false }: { readonly readOnly?: boolean } = {},
): SqliteDialect {
  const database = new DatabaseSync(file, { readOnly })
  database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA foreign_keys = ON`)
  if (!readOnly) database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  const textOf = (sql: string) => (sql === BEGIN && !readOnly ? BEGIN_TO_WRITE : sql)
  const prepared = new Map<string, Statement>()
  return new TransactionalDialect({
    database: {
      close: () => database.close(),
      prepare(sql) {
        const known = prepared.get(sql)
        if (known) return known
        const statement = sql === ROLLBACK ? rollback(database) : adapt(sql, database.prepare(textOf(sql)))
        if (prepared.size >= MAX_PREPARED) prepared.clear()
        prepared.set(sql, statement)
        return statement
      },
    },
  })
}

/** Kysely's texts. */
const BEGIN = 'begin'
const ROLLBACK = 'rollback'
/**
 * A transaction that reads first and then writes fails at once, whatever the timeout, when another process (`serve user`)
 * wrote in between; one that takes its turn at the beginning waits (https://www.sqlite.org/isolation.html).
 */
const BEGIN_TO_WRITE = 'begin immediate'

interface Statement {
  readonly reader: boolean
  all(parameters: readonly unknown[]): unknown[]
  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint }
  iterate(parameters: readonly unknown[]): IterableIterator<unknown>
}

/** The shape of better-sqlite3 that Kysely's dialect was written for. */
function adapt(sql: string, statement: StatementSync): Statement {
  return {
    reader: RETURNS_ROWS.test(sql),
    all: (parameters) => telling(() => statement.all(...(parameters as SQLInputValue[]))),
    run: (parameters) => telling(() => statement.run(...(parameters as SQLInputValue[]))),
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
  }
}

/**
 * SQLite itself rolls back after some failures, a full disk among them. A second rollback would then fail, and
 * hide the first failure (https://www.sqlite.org/lang_transaction.html, 2.3).
 */
function rollback(database: DatabaseSync): Statement {
  const statement = adapt(ROLLBACK, database.prepare(ROLLBACK))
  const nothing = { changes: 0, lastInsertRowid: 0 }
  return {
    ...statement,
    run: (parameters) => (database.isTransaction === false ? nothing : statement.run(parameters)),
  }
}

/** Tells a full disk in the words of the rest of the server. */
function telling<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw isDatabaseFull(error) ? diskFull(error) : error
  }
}
