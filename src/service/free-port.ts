/** Whether a port can be listened on, said before anything else is begun: a worker that ends again leaves traces. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { listenError } from './explain.ts';

/**
 * Somebody may take it between now and then: who listens still has to be told.
 * @param portFlag the flag that sets it
 * @throws StartupError when the port is taken, or may not be used
 */
export async function requireFreePort(
  where: { readonly host: string; readonly port: number },
  portFlag?: string,
): Promise<void> {
  const probe = createServer();
  try {
    probe.listen({ host: where.host, port: where.port });
    await once(probe, 'listening');
  } catch (error) {
    throw listenError(error, where, portFlag);
  }
  probe.close();
  await once(probe, 'close');
}
