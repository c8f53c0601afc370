import type { SettingName } from './setting-source';

/** Both names, or none; which is missing is reported. That the files are good is seen when they are read. */
export function readTlsFiles(
  value: (name: SettingName) => string | null,
  report: (problem: string) => void,
): { certFile: string; keyFile: string } | null {
  const [certFile, keyFile] = [value('TLS_CERT_FILE'), value('TLS_KEY_FILE')];
  if (certFile !== null && keyFile !== null) {
    const bad = [certFile, keyFile].findIndex((path) => path.includes('\0'));
    if (bad < 0) return { certFile, keyFile };
    report(`${bad === 0 ? 'TLS_CERT_FILE' : 'TLS_KEY_FILE'}: must be a path of a file`);
  }
  if (certFile !== null && keyFile === null) report('TLS_KEY_FILE: is missing: TLS_CERT_FILE is set');
  if (certFile === null && keyFile !== null) report('TLS_CERT_FILE: is missing: TLS_KEY_FILE is set');
  return null;
}
