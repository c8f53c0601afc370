import { Injectable } from '@nestjs/common';
import type { EnrolmentCodeRow } from '../database/entities/fleet.entities';
import type { Sql } from '../database/sql';

export type NewEnrolmentCode = Pick<EnrolmentCodeRow, 'id' | 'owner_no' | 'client_no' | 'code_hash' | 'expires_at'>;

@Injectable()
export class EnrolmentCodesRepository {
  async insert(tx: Sql, code: NewEnrolmentCode): Promise<void> {
    await tx.run(
      `insert into enrolment_codes (id, owner_no, client_no, code_hash, created_at, expires_at)
       values (?, ?, ?, ?, ?, ?)`,
      [code.id, code.owner_no, code.client_no, code.code_hash, await tx.now(), code.expires_at],
    );
  }

  /** Codes that nobody can use any more, nor ask the answer of again. */
  async forgetBefore(tx: Sql, time: number): Promise<void> {
    await tx.run('delete from enrolment_codes where expires_at < ?', [time]);
  }

  /** Also a used or expired one. */
  async exists(sql: Sql, hash: Buffer): Promise<boolean> {
    return (await sql.get('select no from enrolment_codes where code_hash = ?', [hash])) !== undefined;
  }

  /** Also a used or expired one. Held until the transaction ends: of two who use it at once one comes first. */
  lock(tx: Sql, hash: Buffer): Promise<EnrolmentCodeRow | undefined> {
    return tx.get(`select * from enrolment_codes where code_hash = ? ${tx.forUpdate()}`, [hash]);
  }

  /** Owner of a code's client: neither disabled nor deleted. */
  findOwner(
    sql: Sql,
    ownerNo: number,
  ): Promise<{ no: number; id: string; username: string; domain_no: number } | undefined> {
    return sql.get(
      `select no, id, username, domain_no from users where no = ? and state = 'active' and deleted_at is null`,
      [ownerNo],
    );
  }

  async markUsed(tx: Sql, no: number, clientNo: number): Promise<void> {
    await tx.run('update enrolment_codes set used_at = ?, used_by = ? where no = ?', [await tx.now(), clientNo, no]);
  }
}
