/** The script of the verifier page, and of the worker that it starts from itself. */
import { startPage } from './page.ts'
import { isWorker, judgeInBackground, serveAsWorker } from './worker.ts'

if (isWorker()) serveAsWorker()
else startPage(judgeInBackground(document.currentScript?.textContent ?? ''))
