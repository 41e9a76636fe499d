/**
 * A Ceph of one monitor, one daemon that keeps objects in memory, and a radosgw, all on 127.0.0.1. Nobody else is on that
 * machine, so they do without keys among each other.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './cairn-process.ts'
import type { S3Backend } from './s3.ts'
import {
  CEPH_BIN,
  CEPH_ENVIRONMENT,
  CEPH_LIB,
  type Running,
  runGuarded,
  untilAnswers,
} from './s3-programs.ts'

const run = promisify(execFile)
const environment = { ...process.env, ...CEPH_ENVIRONMENT }
const OWNER = { accessKey: 'cairn-owner', secretKey: 'cairn-owner-secret' }
const GATEWAY = 'client.rgw.a'
/** A second storage class beside STANDARD. */
const COLD = 'COLD'
/** What counts as a day in rules that make objects older. */
const SECONDS_OF_A_DAY = 2

export async function startCeph(): Promise<S3Backend> {
  const place = await mkdtemp(join(tmpdir(), 'cairn-ceph-'))
  const running: Running[] = []
  const stop = async (): Promise<void> => {
    for (const program of running.splice(0).reverse()) await program.stop()
    await rm(place, { recursive: true, force: true })
  }
  try {
    const port = await startDaemons(place, running)
    return {
      port,
      ...OWNER,
      storageClass: COLD,
      async newKey({ accessKey, secretKey }, isOther) {
        const key = ['--access-key', accessKey, '--secret-key', secretKey]
        if (!isOther) {
          await admin(place, 'key', 'create', '--uid', 'cairn', ...key)
          return 'arn:aws:iam:::user/cairn'
        }
        await admin(place, 'user', 'create', '--uid', accessKey, '--display-name', 'other', ...key)
        return `arn:aws:iam:::user/${accessKey}`
      },
      async newRole(name, trusts, allows) {
        const trusting = ['--assume-role-policy-doc', JSON.stringify(trusts)]
        await admin(place, 'role', 'create', '--role-name', name, ...trusting)
        const policy = ['--policy-name', 'all', '--policy-doc', JSON.stringify(allows)]
        await admin(place, 'role-policy', 'put', '--role-name', name, ...policy)
      },
      async removeKey(accessKey) {
        await admin(place, 'key', 'rm', '--uid', 'cairn', '--access-key', accessKey)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startDaemons(place: string, running: Running[]): Promise<number> {
  const [monitorPort, port] = [await freePort(), await freePort()]
  const fsid = randomUUID()
  const file = (name: string): string => join(place, name)
  for (const name of ['mon', 'osd', 'rgw', 'run']) await mkdir(file(name))
  await writeFile(file('ceph.conf'), configuration(place, fsid, monitorPort, port))
  const address = `[v2:127.0.0.1:${monitorPort}]`
  await ceph('monmaptool', '--create', '--fsid', fsid, '--addv', 'a', address, file('monmap'))
  // A map that has the daemon already, so that it need not be registered.
  await ceph('osdmaptool', '--createsimple', '1', file('osdmap'))
  const conf = ['-c', file('ceph.conf')]
  const maps = ['--monmap', file('monmap'), '--osdmap', file('osdmap')]
  await ceph('ceph-mon', ...conf, '--mkfs', '-i', 'a', ...maps)
  running.push(daemon('ceph-mon', '-f', ...conf, '-i', 'a'))
  await ceph('ceph-osd', ...conf, '-i', '0', '--mkfs', '--osd-uuid', randomUUID())
  running.push(daemon('ceph-osd', '-f', ...conf, '-i', '0'))
  await prepareGateway(place)
  const gateway = daemon('radosgw', '-f', ...conf, '-n', GATEWAY)
  running.push(gateway)
  await untilAnswers(`http://127.0.0.1:${port}`, gateway, 60_000)
  return port
}

async function prepareGateway(place: string): Promise<void> {
  const key = ['--access-key', OWNER.accessKey, '--secret-key', OWNER.secretKey]
  await admin(place, 'user', 'create', '--uid', 'cairn', '--display-name', 'cairn', ...key)
  const cold = ['--placement-id', 'default-placement', '--storage-class', COLD]
  await admin(place, 'zonegroup', 'placement', 'add', '--rgw-zonegroup', 'default', ...cold)
  const pool = ['--data-pool', 'default.rgw.cold.data']
  await admin(place, 'zone', 'placement', 'add', '--rgw-zone', 'default', ...cold, ...pool)
}

/** Runs radosgw-admin, which changes what the gateway knows. @throws Error with what it printed */
async function admin(place: string, ...args: string[]): Promise<string> {
  return await ceph('radosgw-admin', '-c', join(place, 'ceph.conf'), '-n', GATEWAY, ...args)
}

async function ceph(program: string, ...args: string[]): Promise<string> {
  const options = { env: environment, timeout: 60_000 }
  return (await run(join(CEPH_BIN, program), args, options)).stdout
}

function daemon(program: string, ...args: string[]): Running {
  return runGuarded(join(CEPH_BIN, program), args, { env: environment })
}

function configuration(place: string, fsid: string, monitorPort: number, port: number): string {
  const settings: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
    global: {
      fsid,
      'mon host': `[v2:127.0.0.1:${monitorPort}]`,
      'mon initial members': 'a',
      'auth cluster required': 'none',
      'auth service required': 'none',
      'auth client required': 'none',
      // The gateway would insist on encryption, which needs keys.
      'ms mon client mode': 'crc',
      'ms mon cluster mode': 'crc',
      'ms mon service mode': 'crc',
      'ms bind msgr1': 'false',
      'public addr': '127.0.0.1',
      'cluster addr': '127.0.0.1',
      'osd pool default size': 1,
      'osd pool default min size': 1,
      'osd pool default pg num': 1,
      'osd pool default pgp num': 1,
      'osd pool default pg autoscale mode': 'off',
      'mon allow pool size one': 'true',
      'mon max pg per osd': 1_000,
      // However full the disk of the machine is.
      'mon data avail crit': 0,
      'mon data avail warn': 0,
      'osd crush chooseleaf type': 0,
      'run dir': join(place, 'run'),
      'admin socket': join(place, 'run', '$name.asok'),
      'log file': join(place, '$name.log'),
      'mon cluster log file': join(place, 'cluster.log'),
      'plugin dir': join(CEPH_LIB, 'ceph'),
      'erasure code dir': join(CEPH_LIB, 'ceph/erasure-code'),
      'osd class dir': join(CEPH_LIB, 'rados-classes'),
      'osd objectstore': 'memstore',
      'memstore device bytes': 8 * 1024 ** 3,
    },
    'mon.a': { 'mon data': join(place, 'mon') },
    'osd.0': { 'osd data': join(place, 'osd') },
    [GATEWAY]: {
      'rgw data': join(place, 'rgw'),
      // Without the last, each answer waits for 40 ms.
      'rgw frontends': `beast endpoint=127.0.0.1:${port} tcp_nodelay=1`,
      'rgw lc debug interval': SECONDS_OF_A_DAY,
      'rgw cache enabled': 'false',
      'rgw s3 auth use sts': 'true',
      'rgw sts key': 'cairn-sts-key-16',
      'rgw sts min session duration': 1,
    },
  }
  return Object.entries(settings)
    .flatMap(([section, values]) => [
      `[${section}]\n`,
      ...Object.entries(values).map(([name, value]) => `${name} = ${value}\n`),
    ])
    .join('')
}
