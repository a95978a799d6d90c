// Decide requests by IAM's policies: simulations as JSON on stdin, what is decided of each on stdout.
import { runSimulation } from '@cloud-copilot/iam-simulate'

let given = ''
for await (const piece of process.stdin) given += piece
const decided = []
for (const simulation of JSON.parse(given)) {
  const { resultType, overallResult, errors } = await runSimulation(simulation, {})
  if (resultType === 'error') throw new Error(`${JSON.stringify(simulation.request)}: ${JSON.stringify(errors)}`)
  decided.push(overallResult)
}
console.log(JSON.stringify(decided))
