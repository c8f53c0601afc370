import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf } from '../dialect';
import { newTable } from './columns';

/** Which chunks a run sent, wherever they lie: what it may be gone on with was told by its packs, and others' chunks lie there too. */
export class RunUploads1795000100001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const columns = ['task_no int', 'run_number int', 'first_no bigint', 'last_no bigint', 'domain_no int'] as const;
    await runner.createTable(
      newTable(dialectOf(runner.dataSource.options.type), {
        name: 'run_uploads',
        primary: ['task_no', 'run_number', 'first_no', 'last_no'],
        columns: [...columns],
        isClustered: true,
      }),
    );
    // Of what lies in others' packs nothing tells any more who sent it.
    await runner.query(
      `insert into run_uploads (task_no, run_number, first_no, last_no, domain_no)
       select p.task_no, p.run_number, min(c.no), max(c.no), c.domain_no
       from packs p join runs r on r.task_no = p.task_no and r.number = p.run_number
       join tasks t on t.no = p.task_no join clients k on k.no = t.client_no
       join chunks c on c.pack_no = p.no and c.domain_no = k.domain_no
       where p.state = 'live' and r.state not in ('succeeded', 'partial')
       group by p.no, p.task_no, p.run_number, c.domain_no`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable('run_uploads');
  }
}
