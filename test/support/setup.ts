/** Runs before each test file. */
import { afterAll, afterEach } from 'vitest'
import './byte-equality.ts'
import { endOfFile, endOfTest } from './endings.ts'

afterEach(endOfTest)
afterAll(endOfFile)
