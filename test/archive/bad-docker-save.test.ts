import { gzipSync } from 'node:zlib'
import { describe } from 'vitest'
import { configJson, tar } from './build-archive.ts'
import { type BadArchive, config, flipped, layer, saved, testRefusals } from './refusal.ts'
import { temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()

const SAVE_CASES: BadArchive[] = [
  [
    'manifest.json that is not JSON',
    () => tar([{ name: 'manifest.json', body: '{' }]),
    'ARCHIVE_INVALID',
    /'manifest.json' is not JSON/,
  ],
  [
    'manifest.json that is not UTF-8',
    () => tar([{ name: 'manifest.json', body: Buffer.from([0x22, 0xff, 0x22]) }]),
    'ARCHIVE_INVALID',
    /not JSON/,
  ],
  ['manifest.json that is an object', () => tar(saved({ manifest: {} })), 'ARCHIVE_INVALID', /not a list/],
  [
    'manifest.json with null',
    () => tar(saved({ manifest: [null] })),
    'ARCHIVE_INVALID',
    /image 0 .* no config/,
  ],
  ['manifest.json without images', () => tar(saved({ manifest: [] })), 'ARCHIVE_INVALID', /holds no image/],
  [
    'manifest.json with 2000 images',
    () => tar(saved({ manifest: Array(2000).fill({ Config: 'config.json', Layers: [] }) })),
    'ARCHIVE_INVALID',
    /more than 1000 images/,
  ],
  [
    'layers that are no list',
    () => tar(saved({ manifest: [{ Config: 'config.json', Layers: 'a' }] })),
    'ARCHIVE_INVALID',
    /no list of layers/,
  ],
  [
    'names that are numbers',
    () => tar(saved({ manifest: [{ Config: 'config.json', Layers: [], RepoTags: [1] }] })),
    'ARCHIVE_INVALID',
    /names of image 0/,
  ],
  [
    'a config outside',
    () => tar(saved({ manifest: [{ Config: '../config.json', Layers: [] }] })),
    'ARCHIVE_INVALID',
    /leads out/,
  ],
  [
    'no config',
    () => tar(saved().slice(1)),
    'ARCHIVE_INVALID',
    /the config is missing: there is no 'config.json'/,
  ],
  [
    'no layer',
    () => tar([saved()[0]!, saved()[2]!]),
    'ARCHIVE_INVALID',
    /a layer is missing: there is no 'a\/layer.tar'/,
  ],
  [
    'a manifest.json of 5 MB',
    () => tar([{ name: 'manifest.json', body: Buffer.alloc(5_000_000, ' ') }]),
    'ARCHIVE_INVALID',
    /5000000 bytes, more than/,
  ],
  [
    'a config of 9 MB',
    () => tar(saved({ config: { name: 'config.json', body: Buffer.alloc(9_000_000, ' ') } })),
    'ARCHIVE_INVALID',
    /9000000 bytes, more than/,
  ],
  [
    'one large config named by many images',
    () =>
      tar(
        saved({
          config: { name: 'config.json', body: Buffer.concat([config, Buffer.alloc(7_000_000, ' ')]) },
          manifest: Array(10).fill({ Config: 'config.json', Layers: ['a/layer.tar'] }),
        }),
      ),
    'ARCHIVE_INVALID',
    /configs and manifests have more than/,
  ],
  [
    'a config that is not JSON',
    () => tar(saved({ config: { name: 'config.json', body: 'x' } })),
    'ARCHIVE_INVALID',
    /'config.json': the image config is not JSON/,
  ],
  [
    'a config that is null',
    () => tar(saved({ config: { name: 'config.json', body: 'null' } })),
    'ARCHIVE_INVALID',
    /names no os/,
  ],
  [
    'a config without architecture',
    () => tar(saved({ config: { name: 'config.json', body: '{"os":"linux"}' } })),
    'ARCHIVE_INVALID',
    /no os and architecture/,
  ],
  [
    'a config with a diff_id that is no digest',
    () =>
      tar(
        saved({
          config: {
            name: 'config.json',
            body: '{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["sha256:12"]}}',
          },
        }),
      ),
    'ARCHIVE_INVALID',
    /diff_ids\[0\]/,
  ],
  [
    'fewer diff_ids than layers',
    () => tar(saved({ config: { name: 'config.json', body: configJson([]) } })),
    'ARCHIVE_INVALID',
    /has 0 diff_ids for 1 layers/,
  ],
  [
    'a config that does not hash to its name',
    () =>
      tar(
        saved({
          config: { name: `${'0'.repeat(64)}.json`, body: config },
          manifest: [{ Config: `${'0'.repeat(64)}.json`, Layers: ['a/layer.tar'] }],
        }),
      ),
    'DIGEST_MISMATCH',
    /'0+\.json' is damaged/,
  ],
  [
    'a layer that does not hash to its diffID',
    () => tar(saved({ layer: { name: 'a/layer.tar', body: flipped(layer) } })),
    'DIGEST_MISMATCH',
    /'a\/layer.tar' is damaged/,
  ],
  [
    'a gzip layer that does not hash to its diffID',
    () => tar(saved({ layer: { name: 'a/layer.tar', body: gzipSync(flipped(layer)) } })),
    'DIGEST_MISMATCH',
    /'a\/layer.tar' is damaged/,
  ],
  [
    'a gzip layer that is cut short',
    () => tar(saved({ layer: { name: 'a/layer.tar', body: gzipSync(layer).subarray(0, 40) } })),
    'ARCHIVE_INVALID',
    /gzip data of 'a\/layer.tar'/,
  ],
  [
    'a large gzip layer that is damaged at its start',
    () => {
      const body = gzipSync(Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))))
      const long = Buffer.concat([body.subarray(0, 20), Buffer.alloc(3_000_000, 'x')])
      return tar(saved({ layer: { name: 'a/layer.tar', body: long } }))
    },
    'ARCHIVE_INVALID',
    /gzip data of 'a\/layer.tar'/,
  ],
  [
    'an xz layer',
    () => tar(saved({ layer: { name: 'a/layer.tar', body: Buffer.from('\xfd7zXZ\0rest', 'latin1') } })),
    'ARCHIVE_INVALID',
    /'a\/layer.tar' is compressed with xz/,
  ],
  [
    'a plain blob whose name is not its diffID',
    () => {
      const path = `blobs/sha256/${'1'.repeat(64)}`
      const manifest = [{ Config: 'config.json', Layers: [path] }]
      return tar(saved({ layer: { name: path, body: layer }, manifest }))
    },
    'DIGEST_MISMATCH',
    /is not compressed, but the config calls it/,
  ],
  [
    'a gzip blob that does not hash to its name',
    () => {
      const path = `blobs/sha256/${'1'.repeat(64)}`
      const manifest = [{ Config: 'config.json', Layers: [path] }]
      return tar(saved({ layer: { name: path, body: gzipSync(layer) }, manifest }))
    },
    'DIGEST_MISMATCH',
    /'blobs\/sha256\/1+' is damaged/,
  ],
]

describe('a tar that is bad as docker-save archive is refused:', () => testRefusals(folder, SAVE_CASES))
