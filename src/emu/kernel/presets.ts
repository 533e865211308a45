/** Presets: named sets of designs, each with the layouts it shows and what was read for it. */
export interface Preset {
  readonly name: string;
  readonly designs: Readonly<Record<string, string>>;
  readonly source: string;
}

export const PRESETS: readonly Preset[] = [
  {
    name: "linux-6.1",
    designs: {
      espfix: "final",
      espfixInit: "boot",
      exitPaths: "separate",
      sysret: "opportunistic",
      ssFix: "on",
      preempt: "none",
      nmi: "nested",
    },
    source:
      "Linux 6.1 (stable), arch/x86 and kernel/entry; KPTI, KASLR and speculation mitigations off, 4-level paging",
  },
];
