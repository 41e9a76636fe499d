// The servers that a log on several machines needs, for whoever works on Cairn:
//   node test/services.mjs            starts PostgreSQL and S3, prints how to use them, and runs until interrupted
//   node test/services.mjs prepare    fetches and builds the S3 servers that tests run against
//   node test/services.mjs start ceph the same as the first with Ceph instead of versitygw
import { register } from 'tsx/esm/api'

register()
const { prepareS3, isPrepared, S3_VERSIONS } = await import('./support/s3-programs.ts')

const [command = 'start', ...kinds] = process.argv.slice(2)
if (command === 'prepare') await prepare(kinds.length > 0 ? kinds : ['versitygw', 'ceph'])
else if (command === 'start') await start(kinds[0] ?? 'versitygw')
else {
  console.error(
    'usage: node test/services.mjs [prepare [versitygw] [ceph] | start [versitygw | ceph]]',
  )
  process.exitCode = 2
}

async function prepare(kinds) {
  for (const kind of kinds) {
    try {
      await prepareS3(kind, console.log)
      console.log(`${S3_VERSIONS[kind]}: ready`)
    } catch (error) {
      console.error(`${S3_VERSIONS[kind]}: ${error.message}`)
      process.exitCode = 1
    }
  }
}

async function start(kind) {
  if (!isPrepared(kind)) await prepareS3(kind, console.log)
  const { startPostgres } = await import('./support/postgres.ts')
  const { startS3 } = await import('./support/s3.ts')
  const postgres = await startPostgres()
  const s3 = await startS3({ kind })
  const bucket = await s3.newBucket()
  const locked = await s3.newBucket({ lock: true })
  console.log(`
PostgreSQL   ${postgres.url}
S3           ${s3.endpoint} (${S3_VERSIONS[kind]}); ${bucket} is a bucket, ${locked} has Object Lock

export CAIRN_DATABASE='${postgres.url}'
export CAIRN_BUCKET='s3://${bucket}/log'
export CAIRN_S3_ENDPOINT='${s3.endpoint}'
export AWS_ACCESS_KEY_ID='${s3.accessKey}' AWS_SECRET_ACCESS_KEY='${s3.secretKey}'

They keep what they hold in temporary directories, until they are interrupted here.`)
  await new Promise((resolve) => {
    process.once('SIGINT', resolve)
    process.once('SIGTERM', resolve)
  })
  await s3.stop()
  await postgres.remove()
}
