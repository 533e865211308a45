/** A request that cannot be answered, in words for the user. Thrown by handlers, turned into an error response in one place. */
export class RequestError extends Error {}

/** One that needs no answer from the user: it is said in the console, and no message is put on the screen. */
export class Hint extends RequestError {}

/** One whose reasons the console has told, place by place: a message that is put on the screen would only repeat the first. */
export class Reported extends RequestError {}

/** One about a stop that has passed. */
export class TooLate extends RequestError {}

export const notStopped = () => new TooLate("the program is running: pause it first");
export const notLaunched = () => new RequestError("no program has been launched yet");
