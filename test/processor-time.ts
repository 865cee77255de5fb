/**
 * Milliseconds of processors that this process spends on `body`: unlike those of a clock, they do not grow with what
 * else the machine does.
 */
export const processorTime = async (body: () => unknown): Promise<number> => {
  const before = process.cpuUsage()
  await body()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
