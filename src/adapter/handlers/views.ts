/** The custom requests behind the editor's Kernel State and espfix views (debug/views.ts). */
import { espfixState } from "../debug/espfix-view.ts";
import { kernelState } from "../debug/kernel-view.ts";
import type { Context, HandlerTable } from "./context.ts";
import { RequestError } from "./errors.ts";

const noKernel = () => new RequestError("there is no kernel on a bare machine");

function kernelStateRequest(context: Context) {
  const { target, kernelHistory } = context.stopped;
  if (target.kernel === undefined || kernelHistory === undefined) throw noKernel();
  return kernelState(target, target.kernel, kernelHistory, context.cpu);
}

function espfixRequest(context: Context) {
  const { target } = context.stopped;
  if (target.kernel === undefined) throw noKernel();
  return espfixState(target.kernel, context.cpu);
}

export const viewHandlers: HandlerTable = {
  "ringside/kernelState": kernelStateRequest,
  "ringside/espfix": espfixRequest,
};
