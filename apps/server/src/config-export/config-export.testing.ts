import { ConfigExportsRepository } from './config-exports.repository';
import { ExportLine } from './export-line';

/** As a server wires it. */
export function exportLine(): ExportLine {
  return new ExportLine(new ConfigExportsRepository());
}
