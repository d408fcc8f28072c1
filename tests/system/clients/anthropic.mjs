// Runs Anthropic's SDK and the AI SDK's Anthropic provider against the service at the given address.
// Prints one JSON line a case.
import Anthropic from "@anthropic-ai/sdk";
import { createAnthropic } from "@ai-sdk/anthropic";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false;
const [address, broken] = process.argv.slice(2);

async function run(name, work) {
  let result;
  try {
    result = await work();
  } catch (error) {
    result = `${error.name}: ${String(error.message).slice(0, 300)}`;
  }
  console.log(JSON.stringify([name, result]));
}

// -- Anthropic's own SDK ----------------------------------------------------------------------

const client = new Anthropic({ baseURL: address, authToken: "any", apiKey: null, maxRetries: 0 });
const lost = new Anthropic({ baseURL: broken, apiKey: "any", maxRetries: 0 });
const ask = { model: "claude-sonnet-5", max_tokens: 1000, messages: [{ role: "user", content: "hi" }] };
const place = { type: "object", properties: { place: { type: "string" } }, required: ["place"] };
const tools = [{ name: "look", description: "Look somewhere.", input_schema: place }];

function text(message) {
  return message.content.map((block) => (block.type === "text" ? block.text : "")).join("");
}

// An agent's loop: it runs what is called until text comes.
async function rounds(send) {
  const messages = [{ role: "user", content: "look around" }];
  for (let n = 1; ; n += 1) {
    const message = await send({ ...ask, messages, tools });
    const calls = message.content.filter((block) => block.type === "tool_use");
    if (calls.length === 0) return [n, text(message)];
    const results = calls.map((call) => ({
      type: "tool_result", tool_use_id: call.id, content: `a door at ${call.input.place}`,
    }));
    messages.push({ role: "assistant", content: message.content }, { role: "user", content: results });
  }
}

const streamed = (request) => client.messages.stream(request).finalMessage();
await run("anthropic chat", async () => text(await client.messages.create(ask)));
await run("anthropic stream", async () => text(await streamed(ask)));
await run("anthropic tools", () => rounds((request) => client.messages.create(request)));
await run("anthropic tools streamed", () => rounds(streamed));
await run("anthropic beta", async () => {
  const beta = { ...ask, betas: ["context-1m-2025-08-07"], thinking: { type: "adaptive" } };
  const message = await client.beta.messages.stream(beta).finalMessage();
  return message.content.map((block) => block.type);
});
await run("anthropic count", async () => (await client.messages.countTokens(ask)).input_tokens > 0);
await run("anthropic models", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  return ids;
});
await run("anthropic error", () => client.messages.create({ ...ask, messages: [] }));
await run("anthropic broken", () => lost.messages.stream(ask).finalMessage());

// -- the AI SDK -------------------------------------------------------------------------------

const model = createAnthropic({ baseURL: `${address}/v1`, apiKey: "any" })("claude-sonnet-5");
const look = tool({
  description: "Look somewhere.",
  inputSchema: z.object({ place: z.string() }),
  execute: async (input) => `a door at ${input.place}`,
});
const asked = { model, tools: { look }, prompt: "look around", stopWhen: stepCountIs(6), maxRetries: 0 };
await run("ai anthropic tools", async () => {
  const { steps, text: said } = await generateText(asked);
  return [steps.length, said];
});
await run("ai anthropic stream", async () => {
  const result = streamText({ ...asked, onError: () => {} });
  for await (const part of result.fullStream) if (part.type === "error") throw part.error;
  return [(await result.steps).length, await result.text];
});
await run("ai anthropic structured", async () => {
  const schema = z.object({ name: z.string() });
  const prompt = "Tell me about Lisbon";
  return (await generateObject({ model, schema, prompt, maxRetries: 0 })).object;
});
