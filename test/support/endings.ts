/**
 * What helper modules start, and undo after the test or the file that wanted it. Test files share a process and its
 * modules, so that a hook at the top of a helper would be there for the first file that imports it only.
 */
type Undo = () => unknown

const afterTest: Undo[] = []
const afterFile: Undo[] = []

/** Not for tests that run at the same time as others of their file. */
export function afterThisTest(undo: Undo): void {
  afterTest.push(undo)
}

export function afterThisFile(undo: Undo): void {
  afterFile.push(undo)
}

async function undoAll(list: Undo[]): Promise<void> {
  const failures: unknown[] = []
  for (const undo of list.splice(0).reverse()) {
    try {
      await undo()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** For the setup of every test file. */
export const endOfTest = (): Promise<void> => undoAll(afterTest)
export const endOfFile = (): Promise<void> => undoAll(afterFile)
