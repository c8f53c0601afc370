import { SingleBar } from 'cli-progress';
import { type Writable } from 'node:stream';
import { type BackupProgress } from '../backup/backup';
import { type RestoreProgress } from '../restore/ports';
import { formatBytes, formatCount } from './units';

const SECONDS_PER_MINUTE = 60;

/** A line on a terminal's standard error: how far, how many bytes and files, how fast, how long still. */
export class ProgressBar {
  private readonly startedMs: number;
  private bar: SingleBar | null = null;

  constructor(
    private readonly stream: Writable & { isTTY?: boolean },
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.startedMs = nowMs();
  }

  backup({ entries, expectedEntries, bytesRead, bytesUploaded }: BackupProgress): void {
    const total = Math.max(expectedEntries ?? 0, entries, 1);
    this.update({
      // How much there is to read is not known before the end: the last run's number of paths is an estimate.
      fraction: expectedEntries === null ? 0 : entries / total,
      text: `${formatBytes(bytesRead)} read, ${formatBytes(bytesUploaded)} sent`,
      files: formatCount(entries, 'path'),
      bytes: bytesRead,
    });
  }

  restore({ phase, files, filesTotal, bytes, bytesTotal }: RestoreProgress): void {
    this.update({
      fraction: bytesTotal === 0 ? (filesTotal === 0 ? 0 : files / filesTotal) : bytes / bytesTotal,
      text: `${phase}: ${formatBytes(bytes)} of ${formatBytes(bytesTotal)}`,
      files: phase === 'finishing' ? `${files}/${filesTotal} files` : formatCount(filesTotal, 'file'),
      bytes,
    });
  }

  stop(): void {
    this.bar?.stop();
    this.bar = null;
  }

  private update(state: { fraction: number; text: string; files: string; bytes: number }): void {
    if (this.stream.isTTY !== true) return;
    const seconds = Math.max((this.nowMs() - this.startedMs) / 1_000, 0.001);
    const fraction = Math.min(1, state.fraction);
    const payload = {
      text: state.text,
      files: state.files,
      speed: `${formatBytes(state.bytes / seconds).replace(/\.\d+ B$/, ' B')}/s`,
      left: fraction > 0 ? formatDuration((seconds * (1 - fraction)) / fraction) : '?',
    };
    if (this.bar === null) {
      this.bar = new SingleBar({
        stream: this.stream,
        format: '[{bar}] {percentage}% {text}, {files}, {speed}, ETA {left}',
        barsize: 20,
        hideCursor: true,
        clearOnComplete: true,
        fps: 5,
        gracefulExit: false,
      });
      this.bar.start(1_000, 0, payload);
    }
    this.bar.update(Math.floor(fraction * 1_000), payload);
  }
}

function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const minutes = Math.floor(whole / SECONDS_PER_MINUTE);
  const hours = Math.floor(minutes / SECONDS_PER_MINUTE);
  const two = (value: number): string => String(value % SECONDS_PER_MINUTE).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole)}` : `${minutes}:${two(whole)}`;
}
