import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createApp } from '../src/server/http/app.ts'
import { testContext } from './server/registry-context.ts'

/**
 * What was weak in the image service whose wire contract the server keeps, and the tests that show that it is not so
 * here. A title that is no longer in its file fails.
 */
const SHOWN: readonly (readonly [string, string, readonly (readonly [string, string])[]])[] = [
  [
    'W-01',
    'waits by looking for the name on the first page of the list',
    [
      ['operations/wait-image.test.ts', 'each state is told once, and the active image is the answer'],
      ['server/images/list.test.ts', 'the newest come first (W-01)'],
    ],
  ],
  [
    'W-02',
    'waits without an end, also for what is gone',
    [
      ['operations/wait-image.test.ts', 'at the deadline the work goes on'],
      ['operations/wait-image.test.ts', 'an image that never was is not found'],
      ['operations/wait-image.test.ts', 'an abort ends the wait with its reason'],
    ],
  ],
  [
    'W-03',
    'registry passwords go out, and are stored as they are',
    [['server/http/docker-registry.test.ts', 'never lets a password out, and stores it sealed']],
  ],
  [
    'W-04',
    "one organization changes everyone's default registry",
    [
      [
        'server/http/docker-registry.test.ts',
        'has one default in each organization, whatever another one does',
      ],
    ],
  ],
  [
    'W-05',
    'unknown fields of a body are stored',
    [
      ['server/images/create.test.ts', 'an id of somebody else (W-05)'],
      ['server/images/change.test.ts', 'cannot set %s (W-05)'],
    ],
  ],
  ['W-08', 'a field is accepted and ignored', [['server/images/create.test.ts', "['general (W-08)'"]]],
  [
    'W-10',
    'the tag is what follows the first colon, so no registry has a port',
    [
      [
        'server/images/create.test.ts',
        'a reference with a port, a digest, or latest gets a name of its own (W-10)',
      ],
    ],
  ],
  [
    'W-11',
    'credentials go to every host that begins alike',
    [
      [
        'server/images/upstream.test.ts',
        'of a host that merely begins alike, or of another organization, are not (W-11)',
      ],
      ['server/http/docker-registry.test.ts', 'gives credentials to exactly their host'],
    ],
  ],
  [
    'W-12',
    'all deadlines count from the creation',
    [['server/images/reconciler.test.ts', 'age alone is no fault: only the present state is timed (W-12)']],
  ],
  [
    'W-13',
    'no free worker is an error',
    [['server/images/reconciler.test.ts', 'many pushes wait for their turn and all get it (W-13)']],
  ],
  [
    'W-14',
    'a loop sleeps on after its success',
    [['server/images/reconciler.test.ts', 'a push wakes an idle reconciler: nothing waits for a next round']],
  ],
  [
    'W-15',
    'a lock ends before the work does, and another owner removes it',
    [
      [
        'server/images/reconciler.test.ts',
        'that is not renewed is taken over, and its old owner writes nothing (W-15)',
      ],
      ['integration/crash.test.ts', 'random moments of pushes, deletes and collections'],
    ],
  ],
  [
    'W-16',
    'waits for exactly one state that may have passed',
    [['operations/wait-image.test.ts', 'each state is told once, and the active image is the answer']],
  ],
  [
    'W-17',
    'asks the engine without an end whether the push has arrived, and hides why not',
    [
      ['acceptance/push-faults.test.ts', 'with a key that was revoked'],
      ['operations/wait-image.test.ts', 'a server that stays away is told, before the deadline'],
    ],
  ],
  [
    'W-18',
    'a push leaves tags and credentials behind',
    [
      ['acceptance/push-engine.test.ts', 'by Ctrl-C ends with 130 and leaves no tag'],
      ['acceptance/push-engine.test.ts', 'by kill -9 leaves a tag that the next run removes'],
      ['server/http/push-access.test.ts', 'ends after an hour'],
      ['server/registry/deletes.test.ts', 'whoever may push may take a staging tag away, and no other tag'],
    ],
  ],
  [
    'W-19',
    'two organizations write to one name, and any push credential to any repository',
    [
      [
        'server/images/record-push.test.ts',
        'two organizations have the same name for different things (W-19)',
      ],
      ['server/http/push-access.test.ts', 'can be narrowed to one repository'],
      ['server/registry/token.test.ts', 'a push secret gives a token with its own limits'],
    ],
  ],
  [
    'W-20',
    'a push credential cannot read what it pushed',
    [['server/http/push-access.test.ts', 'allows push and pull, nothing else']],
  ],
  [
    'W-21',
    'an entrypoint is split at every space',
    [['commands/options.test.ts', '%s is split as a shell does']],
  ],
  [
    'W-22',
    'secrets in a file that everyone may read, half written at times',
    [
      ['auth/credentials.test.ts', 'a file is 0600 in a 0700 folder, whatever the umask'],
      ['acceptance/login/keychain.test.ts', 'has the refresh token, renewed in place; no file has it'],
      ['server/issuer/refresh.test.ts', 'keeps nothing in the database that could be used'],
    ],
  ],
  [
    'W-23',
    'a .env of the project redirects the login',
    [
      ['acceptance/cli-basics.test.ts', 'a .env file in the project is not read'],
      ['server/issuer/login.test.ts', 'uses the public URL and not what a client says'],
    ],
  ],
  [
    'W-24',
    'a token is refreshed late, and the old one stays in use',
    [
      ['acceptance/login/refresh.test.ts', '20 processes with an expired token: one refresh, 20 successes'],
      ['server/issuer/refresh.test.ts', 'gives 20 processes with the same refresh token an answer each'],
    ],
  ],
  [
    'W-25',
    'the callback listens to everyone, for ever, without PKCE',
    [
      ['auth/oauth/callback-listener.test.ts', 'it listens on the loopback addresses only'],
      ['auth/oauth/callback-listener.test.ts', 'of two callbacks the first counts'],
      ['server/issuer/attacks.test.ts', "['without PKCE'"],
    ],
  ],
  [
    'W-26',
    "the first run edits the shell's profile",
    [['acceptance/login/stored.test.ts', 'nothing of the shell or of the project is touched or read']],
  ],
  [
    'W-39',
    'images of users are started on the host of the server',
    [['architecture.test.ts', 'every import follows an allowed arrow']],
  ],
  [
    'W-40',
    'the quota is counted before it is taken, and failures count',
    [
      [
        'server/images/create.test.ts',
        'the quota holds against requests at once, and failed images do not count (W-40)',
      ],
    ],
  ],
  [
    'W-41',
    'a delete frees nothing',
    [
      [
        'server/images/delete.test.ts',
        'takes the image, its tag and its blobs, and says what that frees (W-41)',
      ],
      [
        'server/content/collect.test.ts',
        'what a tag needs stays for ever; what nothing needs goes after the grace time',
      ],
    ],
  ],
  ['W-42', 'limits of pages are not limits', [['server/images/list.test.ts', '%s is 400 (W-42)']]],
  [
    'W-43',
    'progress is painted where there is no terminal',
    [['terminal/progress.test.ts', 'plain: a line when a phase begins and at most one per 10 s, no escapes']],
  ],
  [
    'W-44',
    'the text of unexpected errors goes out',
    [
      [
        'server/http/app.test.ts',
        'never shows the text of an unexpected error, and logs it under the request id',
      ],
      ['server/images/reconciler.test.ts', 'a fault of the server shows no internals (W-44)'],
    ],
  ],
  [
    'W-45',
    'a change of a field is dropped, and success is told',
    [['server/http/docker-registry.test.ts', 'changes what it is told to, the url too']],
  ],
  [
    'W-46',
    'a key is stored unchecked, for a server that nobody named',
    [['acceptance/login/stored.test.ts', 'a wrong key is not stored; the server that is asked is the one']],
  ],
]

/** There is no store of build contexts that clients write to, so it cannot be weak: W-06, W-07, W-09, W-37, W-38. */
const ABSENT_ROUTES = ['/api/object-storage/push-access', '/api/object-storage']

describe('weaknesses of the service that this one takes after', () => {
  test.each(SHOWN)('%s: %s', (_, __, tests) => {
    for (const [file, title] of tests) {
      expect(readFileSync(join(import.meta.dirname, file), 'utf8'), file).toContain(title)
    }
  })

  test('W-06, W-07, W-09, W-37, W-38: clients keep no build contexts on the server', async () => {
    const ctx = await testContext()
    const app = await createApp(ctx, { api: [], registry: async () => {}, issuer: undefined })
    for (const url of ABSENT_ROUTES) expect((await app.inject({ url })).statusCode, url).toBe(404)
    await app.close()
  })

  test('each of W-01 to W-26 and W-37 to W-46 has its place', () => {
    const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)
    const ids = [...range(1, 26), ...range(37, 46)].map((number) => `W-${String(number).padStart(2, '0')}`)
    const absent = ['W-06', 'W-07', 'W-09', 'W-37', 'W-38']
    expect([...SHOWN.map(([id]) => id), ...absent].sort()).toEqual(ids)
  })
})
