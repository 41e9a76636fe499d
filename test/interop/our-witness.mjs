// Tessera, the log of another project, has its heads cosigned by Cairn's witness: node test/interop/our-witness.mjs
// Needs a built checkout and Go. Exits with 1 when anything differs.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildLitewitness, freePort, runTool, startLitewitness, withPrograms } from './programs.mjs'

await withPrograms(async (programs) => {
  const { tool, litewitness } = buildLitewitness(programs.place)
  const keys = JSON.parse(runTool(tool, ['keys', '-name', 'example.com/tessera']))
  const skey = join(programs.place, 'log.skey')
  writeFileSync(skey, keys.log.skey)
  const one = await startLitewitness(programs, { tool, litewitness, name: 'example.com/one', log: keys.log.vkey })
  const two = await startLitewitness(programs, { tool, litewitness, name: 'example.com/two', log: keys.log.vkey })

  const policy = (threshold) => {
    const file = join(programs.place, `policy-${threshold}`)
    writeFileSync(file, [
      `log ${keys.log.vkey}`,
      ...[one, two].map((w,i) => `witness w${i} ${w.vkeys[0]} ${w.url}`),
      `group g ${threshold} w0 w1`,
      'quorum g',
      ''].join('\n'))
    return file
  }
  const dir = join(programs.place, 'tessera')
  const run = async (p) => {
    const program = programs.start(tool, ['tessera', '-dir', dir, '-skey', skey, '-policy', p])
    await program.line()
    return { ...program, async add(n) { program.child.stdin.write(`add ${n}\n`); return JSON.parse(await program.line()).checkpoint } , async end() { program.child.stdin.end(); const [c] = await program.exited; console.log(c, program.said().slice(-2000)) } }
  }
  const log = await run(policy('all'))
  const cp = await log.add(10)
  console.log(cp)
  console.log(runTool(tool, ['check', '-log', keys.log.vkey, '-policy', policy('all'), ...[one,two].flatMap(w=>['-witness', w.vkeys[0]])], cp))
  await log.end()
})
