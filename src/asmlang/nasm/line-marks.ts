/** `%line`: from which file and line a line of the source says that it comes. */
import type { Line } from "../core/source.ts";

export class LineMarks {
  readonly #marks: { uri: string; line: number; number: number; step: number; file: string | undefined }[] = [];

  /** The lines after this one have these numbers, and are of that file (the last one named, if undefined). */
  add({ uri, line }: Line, number: number, step: number, file: string | undefined): void {
    const before = this.#marks.findLast((mark) => mark.uri === uri);
    this.#marks.push({ uri, line, number, step, file: file ?? before?.file });
  }

  /** A line's number, from 1, and its file's name. */
  placeOf({ uri, line }: Line): { readonly number: number; readonly file: string } {
    const mark = this.#marks.findLast((one) => one.uri === uri && one.line < line);
    return {
      number: mark ? mark.number + mark.step * (line - mark.line) : line + 1,
      file: mark?.file ?? uri.slice(uri.lastIndexOf("/") + 1),
    };
  }
}
