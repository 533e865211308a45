/** Bad use of the command line: one clear line on stderr, exit status 2. Never a stack trace. */
export class UsageError extends Error {
  readonly status: number;
  constructor(message: string, status = 2) {
    super(message);
    this.status = status;
  }
}

export const USAGE = `usage: ringside run PROGRAM [-- ARG...]    assemble or load a program and run it
       ringside asm PROGRAM -o OUT [--format elf|object|bin|listing]
       ringside disasm FILE [--syntax nasm|gas|intel]
       ringside state PROGRAM --at PLACE [--launch FILE.json]   registers, stack, code, memory, kernel at an instant, as JSON
       ringside dap [--port N]               debug adapter on stdio or loopback TCP
       ringside lsp                          language server on stdio
       ringside scenario list | run NAME...|all [--json]
       ringside designs [--costs]            kernel designs and presets; instructions of every exit under them
       ringside --version
Options of run: --arch x86_64|i386|bare  --bits 16|32|64  --dialect gas|nasm  --cpu intel|amd  --model 286|386|current
  --quirk NAME  --cpus N  --kernel PRESET  --design K=V  --entry FILE.S  --max-instructions N  --seed N  --env K=V
  --root DIR  --file GUEST=PATH  --inject EVENT[*TIMES]@PLACE  --trace FILE|-  --stats  --load bootsector|rom  --post-port P`;
