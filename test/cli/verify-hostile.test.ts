/** `cairn verify` on files that are made to hurt: bounded memory, one clear line or verdict, no crash; and no socket. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatVkey } from '../../src/formats/vkey.ts'
import { CLI } from '../support/cairn-process.ts'
import { evidenceFile, forged, recordLog } from '../support/evidence.ts'
import { checkpointAt, LEAVES, LOG_KEY, tlogProofAt } from '../support/example-log.ts'
import { LEAST } from '../support/records.ts'
import { ROOT } from '../support/sources.ts'
import { POLICY } from '../support/vector-keys.ts'
import { expectRefusal } from './fixture.ts'
import { cairn } from './run.ts'

const VKEY = ['--vkey', formatVkey(LOG_KEY.vkey)]
const GIB = 2 ** 30

let folder: string
const at = (name: string): string => join(folder, name)
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-hostile-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** A file with these bytes, and zeros up to a size, which take no place on the disk. */
async function sparse(name: string, start: Uint8Array | string, size: number): Promise<string> {
  await writeFile(at(name), start)
  const file = await open(at(name), 'r+')
  await file.truncate(size)
  await file.close()
  return at(name)
}

describe('a file that is far too large', () => {
  it('is refused in one line, whatever it begins with', async () => {
    await writeFile(at('big.leaf'), LEAVES[4]!)
    const starts = {
      'big.tlog-proof': tlogProofAt(4, 13),
      'big.json': '{',
      'big.cose': Uint8Array.of(0xd2, 0x84),
      'big.checkpoint': checkpointAt(13),
      'big.split-view': 'cairn-split-view/v1\n',
      'big.tsr': Uint8Array.of(0x30, 0x82, 0x00, 0x10, 0x30, 0x03, 0x02, 0x01),
    }
    for (const [name, start] of Object.entries(starts)) {
      const file = await sparse(name, start, GIB)
      expectRefusal(await cairn(['verify', file, ...VKEY]), /big.*is larger than 4194304 bytes/)
    }
  })

  it('is refused as a leaf, a policy, a key and a certificate', async () => {
    const receipt = at('a.tlog-proof')
    await writeFile(receipt, tlogProofAt(4, 13))
    await writeFile(at('a.leaf'), LEAVES[4]!)
    const big = await sparse('big.bin', 'log ', GIB)
    for (const flags of [
      [...VKEY, '--leaf', big],
      ['--policy', big],
      ['--vkey', big],
    ]) {
      expectRefusal(await cairn(['verify', receipt, ...flags]), /big\.bin is larger than \d+ bytes/)
    }
  })

  it('is refused as evidence, without being read', async () => {
    const whole = evidenceFile(recordLog([LEAST]), [0])
    const file = await sparse('big.cairn', whole, GIB)
    const started = performance.now()
    expectRefusal(await cairn(['verify', file, ...VKEY]), /is larger than 536870912 bytes/)
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})

describe('evidence that says it is more than it is', () => {
  const judged = async (bytes: Uint8Array) => {
    await writeFile(at('bomb.cairn'), bytes)
    await writeFile(at('policy.txt'), POLICY)
    const policy = ['--policy', at('policy.txt')]
    return cairn(['verify', at('bomb.cairn'), ...policy, '--json'])
  }

  it('gets a verdict: a part of eight gigabytes in an archive of eight kilobytes', async () => {
    const whole = evidenceFile(recordLog([LEAST]), [0])
    for (const size of ['77777777777', '00000000000', '10000000000']) {
      const bytes = whole.slice()
      bytes.set(Buffer.from(size), 124)
      const header = bytes.subarray(0, 512)
      header.fill(0x20, 148, 156)
      const sum = header.reduce((all, byte) => all + byte, 0)
      header.set(Buffer.from(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
      const run = await judged(bytes)
      expect(run).toMatchObject({ code: 1, stderr: '' })
      expect(JSON.parse(run.stdout).checks[0]).toMatchObject({ name: 'format', status: 'failed' })
    }
  })

  it('gets a verdict when it is cut off anywhere', async () => {
    const whole = evidenceFile(recordLog([LEAST]), [0])
    for (let end = 512; end < whole.length; end += 1024) {
      const run = await judged(whole.subarray(0, end))
      expect(run, String(end)).toMatchObject({ code: 1, stderr: '' })
      expect(JSON.parse(run.stdout)).toMatchObject({ ok: false, kind: 'evidence' })
    }
  })
})

describe('evidence with more wrong in it than anybody reads', () => {
  it('gets a verdict that fits on a few pages, and a report that does', async () => {
    const whole = evidenceFile(recordLog([LEAST, LEAST, LEAST]), [0])
    const line = '9\t["AAAAAAAAAAAAAAAAAAAAAA","/x",1]\n'
    const disclosures = forged(whole, (files) => {
      files['disclosures.txt'] += line.repeat(20_000)
    })
    const nodes = forged(whole, (files) => {
      files['proof.txt'] += `0 1 ${'A'.repeat(43)}=\n`.repeat(200_000)
    })
    await writeFile(at('policy.txt'), POLICY)
    for (const bytes of [disclosures, nodes]) {
      await writeFile(at('noisy.cairn'), bytes)
      const flags = ['--policy', at('policy.txt'), '--report', at('noisy.html')]
      const run = await cairn(['verify', at('noisy.cairn'), ...flags])
      expect(run).toMatchObject({ code: 1, stderr: '' })
      expect(run.stdout).toContain('NOT VERIFIED')
      expect(run.stdout.split('\n').length).toBeLessThan(300)
      expect((await readFile(at('noisy.html'))).length).toBeLessThan(1_000_000)
    }
  })
})

describe('the report', () => {
  it('never replaces the file that is verified, and says so when it cannot be written', async () => {
    await writeFile(at('b.tlog-proof'), tlogProofAt(4, 13))
    await writeFile(at('b.leaf'), LEAVES[4]!)
    const verify = ['verify', at('b.tlog-proof'), ...VKEY, '--report']
    expectRefusal(await cairn([...verify, at('b.tlog-proof')]), /would replace the file/)
    expect(await readFile(at('b.tlog-proof'), 'utf8')).toBe(tlogProofAt(4, 13))
    expectRefusal(await cairn([...verify, at('nowhere/out.html')]), /no such file or directory/)
  })

  it('names the file, its hash, every check and every key', async () => {
    const report = at('b.html')
    const run = await cairn(['verify', at('b.tlog-proof'), ...VKEY, '--report', report])
    expect(run.code).toBe(0)
    const page = await readFile(report, 'utf8')
    for (const text of ['b.tlog-proof', 'Verified', 'inclusion', LOG_KEY.vkey.keyId, 'SHA-256']) {
      expect(page).toContain(text)
    }
    expect(page).toContain(createHash('sha256').update(LOG_KEY.vkey.publicKey).digest('hex'))
  })

  it('of a folder has a row for each file, first those that fail', async () => {
    await mkdir(at('both'))
    for (const index of [4, 5]) {
      await writeFile(at(`both/${index}.tlog-proof`), tlogProofAt(index, 13))
      await writeFile(at(`both/${index}.leaf`), LEAVES[4]!)
    }
    const run = await cairn(['verify', at('both'), ...VKEY, '--report', at('both.html')])
    expect(run.code).toBe(1)
    const page = await readFile(at('both.html'), 'utf8')
    const order = ['Not verified', '1 of 2 files do not hold', '5.tlog-proof', '4.tlog-proof']
    const places = order.map((text) => page.indexOf(text))
    expect(places).toEqual([...places].sort((a, b) => a - b))
    expect(places).not.toContain(-1)
  })
})

describe('no socket', () => {
  const NETWORK = /^(node:)?(net|tls|dgram|dns|http|https|http2|inspector|undici)(\/|$)/

  it('can be opened by anything that the command loads, now or later', async () => {
    const { metafile } = await build({
      absWorkingDir: ROOT,
      entryPoints: ['src/cli/verify.ts'],
      bundle: true,
      splitting: true,
      write: false,
      metafile: true,
      outdir: 'unused',
      platform: 'node',
      format: 'esm',
      alias: {
        '#sha256': './src/crypto/sha256-node.ts',
        '#ed25519': './src/crypto/ed25519-node.ts',
        '#ml-dsa': './src/crypto/ml-dsa-node.ts',
      },
      logLevel: 'silent',
    })
    const all = Object.values(metafile.inputs).flatMap(({ imports }) => imports)
    const paths = all.map(({ path, original }) => original ?? path)
    expect(paths).toContain('node:fs/promises')
    expect(paths.some((path) => path.includes('pkijs'))).toBe(true)
    expect(paths.filter((path) => NETWORK.test(path))).toEqual([])
  })

  const hasStrace = spawnSync('strace', ['-V']).status === 0
  it.runIf(hasStrace)('is opened, as the kernel sees it', async () => {
    await writeFile(at('d.tlog-proof'), tlogProofAt(4, 13))
    await writeFile(at('d.leaf'), LEAVES[4]!)
    const trace = ['-f', '-e', 'trace=socket,connect,bind,sendto', '-o', at('trace')]
    const command = [process.execPath, CLI, 'verify', at('d.tlog-proof'), ...VKEY]
    const run = spawnSync('strace', [...trace, ...command], { encoding: 'utf8' })
    // Where tracing is not allowed, there is nothing to see.
    if (run.status !== 0 && /ptrace|Operation not permitted/.test(run.stderr)) return
    expect([run.status, run.stderr]).toEqual([0, ''])
    const calls = (await readFile(at('trace'), 'utf8')).split('\n')
    expect(calls.filter((line) => /\b(socket|connect|bind|sendto)\(/.test(line))).toEqual([])
  })
})
