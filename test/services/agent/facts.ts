/** What the nodes of these tests say of themselves. */
export const FACTS = {
  sslport: 8001,
  sshport: 2222,
  engines: ["simulated" as const],
  images: ["debian-12"],
  simulated: true,
  version: "0.1.0",
  abilities: [{ engine: "simulated", abilities: ["ports", "administrative"] }],
};
