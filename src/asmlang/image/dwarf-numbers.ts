/** DWARF's numbers (DWARF 5, section 7), for those who write them and those who read them. */

/** DW_FORM_*: how an attribute's value is written. */
export const FORM = {
  ADDR: 0x01,
  BLOCK2: 0x03,
  BLOCK4: 0x04,
  DATA2: 0x05,
  DATA4: 0x06,
  DATA8: 0x07,
  STRING: 0x08,
  BLOCK: 0x09,
  BLOCK1: 0x0a,
  DATA1: 0x0b,
  FLAG: 0x0c,
  SDATA: 0x0d,
  STRP: 0x0e,
  UDATA: 0x0f,
  REF_ADDR: 0x10,
  REF1: 0x11,
  REF2: 0x12,
  REF4: 0x13,
  REF8: 0x14,
  REF_UDATA: 0x15,
  SEC_OFFSET: 0x17,
  EXPRLOC: 0x18,
  FLAG_PRESENT: 0x19,
  STRX: 0x1a,
  ADDRX: 0x1b,
  DATA16: 0x1e,
  LINE_STRP: 0x1f,
  IMPLICIT_CONST: 0x21,
  LOCLISTX: 0x22,
  RNGLISTX: 0x23,
  STRX1: 0x25,
  STRX2: 0x26,
  STRX3: 0x27,
  STRX4: 0x28,
  ADDRX1: 0x29,
  ADDRX4: 0x2c,
} as const;

/** DW_LNS_*: the line program's standard opcodes; 0 introduces an extended one (DW_LNE_*). */
export const LNS = {
  EXTENDED: 0,
  COPY: 1,
  ADVANCE_PC: 2,
  ADVANCE_LINE: 3,
  SET_FILE: 4,
  SET_COLUMN: 5,
  NEGATE_STMT: 6,
  SET_BASIC_BLOCK: 7,
  CONST_ADD_PC: 8,
  FIXED_ADVANCE_PC: 9,
  SET_PROLOGUE_END: 10,
  SET_EPILOGUE_BEGIN: 11,
} as const;
export const LNE = { END_SEQUENCE: 1, SET_ADDRESS: 2 } as const;
/** DW_LNCT_*: what a table of files says of each. */
export const LNCT = { PATH: 1, DIRECTORY: 2 } as const;
