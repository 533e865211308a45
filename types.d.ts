/** Text and binary files bundled as modules. */
declare module "*?raw" {
  const text: string;
  export default text;
}
