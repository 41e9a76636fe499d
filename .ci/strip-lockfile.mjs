// Drops the download addresses from package-lock.json: versions and integrity hashes pin what is installed, from
// whichever registry npm is configured to use. Run after changing a dependency:
//   npm install --omit-lockfile-registry-resolved=false && node .ci/strip-lockfile.mjs
import { readFileSync, writeFileSync } from 'node:fs'

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'))
for (const entry of Object.values(lock.packages)) delete entry.resolved
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`)
