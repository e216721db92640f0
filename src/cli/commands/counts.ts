import { Command } from 'commander';
import { runtimeStatuses } from '../../model/instance.ts';
import { filterOf, withFilter, type FilterFlags } from '../filters.ts';
import { connect, onService, type ServiceFlags } from '../service.ts';
import type { Surroundings } from '../surroundings.ts';
import { look, watchOption } from '../watch.ts';

type CountsFlags = ServiceFlags & FilterFlags & { readonly watch?: number | true };

/** `perdure counts`. */
export function countsCommand(at: Surroundings): Command {
  return withFilter(onService(new Command('counts')))
    .summary('count instances by status')
    .description('Counts instances by status.')
    .addOption(watchOption('count again'))
    .action((flags: CountsFlags) =>
      look(at, flags.watch, async (now) => {
        const { client, printer, json } = connect(now, flags);
        const byStatus = await client.countBy(filterOf(flags), { signal: at.signal });
        const total = runtimeStatuses.reduce((sum, status) => sum + byStatus[status], 0);
        if (json) {
          printer.line(JSON.stringify({ total, byStatus }));
          return true;
        }
        const rows = runtimeStatuses.filter((status) => status !== 'Canceled' || byStatus[status] > 0);
        printer.table(
          ['STATUS', 'INSTANCES'],
          [...rows.map((status) => [printer.status(status), String(byStatus[status])]), ['total', String(total)]],
        );
        return true;
      }),
    );
}
