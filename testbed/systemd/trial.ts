import { parseArgs } from "node:util";
import { debianSources } from "#services/node-manager/backends/images/debian-sources.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { isThere } from "../packages.ts";
import { Machine } from "./machine.ts";
import { debianDisk } from "./system.ts";

/**
 * Tries packaging/systemd under a real systemd: installs every service by the operator's guide on a Debian whose first process
 * that systemd is, has a slice run a program, kills, hangs, stops and starts the services, and takes everything away.
 */
const USAGE = `Usage: npm run trial:systemd

Needs root, unshare, nsenter, mmdebstrap and a mirror of Debian's packages the first time, when it makes a system of them,
which takes a minute; after that the trial itself takes one. Exits with 0 when all went well, with 1 when something failed.`;

const ADDRESS = "192.0.2.10";
const PARTS = ["authority", "agent", "broker", "resource-monitor", "node-manager"] as const;
const UNITS = PARTS.map((part) => `slicelab-${part}`).join(" ");
const CONFIGURATIONS = "/opt/slicelab/packaging/config";
const SLICE = "trial";

/** The operator's guide from the authority to the agent, with its user and its database. */
const HUB = `
  runuser -u postgres -- createuser slicelab
  runuser -u postgres -- createdb -O slicelab slicelab
  systemd-sysusers /opt/slicelab/packaging/systemd/sysusers.conf
  ln -s /opt/slicelab/bin/slicelab /opt/slicelab/bin/slice /usr/local/bin/
  install -d /etc/slicelab /var/lib/slicelab; cd /etc/slicelab
  slicelab authority init --dir /var/lib/slicelab/authority --name "Example consortium"
  for part in agent broker; do
    slicelab authority request --name $part --out /var/lib/slicelab/$part
    slicelab authority issue /var/lib/slicelab/$part/$part.csr --dir /var/lib/slicelab/authority \
      --name $part --kind server --address ${ADDRESS} --out $part.crt
    cp $part.crt /var/lib/slicelab/$part/
    chown -R slicelab: /var/lib/slicelab/$part
  done
  cp /var/lib/slicelab/authority/ca.pem .
  chown -R slicelab-authority: /var/lib/slicelab/authority
  cp ${CONFIGURATIONS}/{authority,agent,broker,resource-monitor}.toml .
  echo "SLICELAB_AUTHORITY_ADDRESSES=${ADDRESS}
SLICELAB_AUTHORITY_LISTEN_ADDRESS=${ADDRESS}" > authority.env
  echo "SLICELAB_AGENT_LISTEN_ADDRESS=${ADDRESS}
SLICELAB_AGENT_AUTHORITY_URL=https://${ADDRESS}:6001/RPC2" > agent.env
  echo SLICELAB_BROKER_LISTEN_ADDRESS=${ADDRESS} > broker.env
  cp /opt/slicelab/packaging/systemd/*.service /etc/systemd/system/
  systemctl daemon-reload
  systemctl enable --now slicelab-authority slicelab-agent`;

/** An administrator who joins, and from there a node, a broker that knows the agent, and a monitor. */
const NODE = `
  cd /etc/slicelab
  invite() { runuser -u slicelab -- slicelab agent invitation create --config agent.toml --approve "$@"; }
  slice join "$(invite --role administrator --name ada)"
  slicelab admin site add berlin
  slicelab node-manager join \
    "$(slicelab admin invitation create --kind node --name n1 --address ${ADDRESS} --site berlin --approve)" --ip ${ADDRESS}
  sed -i '1i images = ["busybox"]' node-manager.toml
  agent=$(sed -n 's/^identity = "\\(.*\\)"/\\1/p' node-manager.toml)
  sed -i "s/^identity = .*/identity = \\"$agent\\"/; s#agent.example.org#${ADDRESS}#" broker.toml
  slicelab doctor -o json
  systemctl enable --now slicelab-node-manager slicelab-broker slicelab-resource-monitor`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { help: { type: "boolean", short: "h" } } });
  if (values.help) return void process.stdout.write(`${USAGE}\n`);
  if (process.getuid?.() !== 0) throw new OperatorError("that takes root");
  const missing = ["mmdebstrap", "mkfs.ext4", "unshare", "nsenter", "ip"].filter(
    (program) => !isThere(program),
  );
  if (missing.length > 0) throw new OperatorError(`${missing.join(", ")} must be installed first`);
  const disk = await debianDisk(await debianSources());
  step("there is a Debian");
  await using machine = await Machine.start(disk, ADDRESS);
  step(`${(await machine.run("systemctl --version | head -n 1")).trim()} runs on it`);
  const interrupted = Promise.withResolvers<never>();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => interrupted.reject(new OperatorError(`ended by ${signal}`)));
  await Promise.race([tryAll(machine), interrupted.promise]);
}

async function tryAll(machine: Machine): Promise<void> {
  await machine.run(HUB);
  step("authority and agent are started, by the operator's guide");
  await machine.run(NODE);
  const doctor = await machine.run("slicelab doctor");
  for (const part of PARTS)
    expect(doctor.includes(`${part}: port:`), `the doctor says nothing of ${part}:\n${doctor}`);
  expect(!/ is free$/m.test(doctor), `systemctl returned before a service served:\n${doctor}`);
  step("node manager, broker and monitor, too, and the doctor finds all well");

  await machine.run(`until slice node list | grep -qF ${ADDRESS}; do sleep 0.2; done
    slice create ${SLICE} --nodes 1 --lease 1h --memory 64M
    slice launch ${SLICE} -- sh -c 'echo started >> starts; exec sleep 1000000'`);
  await livesOn(machine);
  step("a slice runs a program");

  for (const part of PARTS) {
    await machine.run(`pid=$(systemctl show -P MainPID slicelab-${part}); kill -KILL "$pid"
      ${untilStartedAgain(part)}`);
  }
  await livesOn(machine);
  step("every service was killed, is back, and the slice has noticed nothing");

  await machine.run(`for part in ${PARTS.join(" ")}; do
      mkdir -p /run/systemd/system/slicelab-$part.service.d
      printf '[Service]\\nWatchdogSec=10\\nTimeoutAbortSec=1\\n' > /run/systemd/system/slicelab-$part.service.d/soon.conf
    done
    systemctl daemon-reload; systemctl restart ${UNITS}
    for part in ${PARTS.join(" ")}; do kill -STOP "$(systemctl show -P MainPID slicelab-$part)"; done
    ${PARTS.map(untilStartedAgain).join("\n")}
    rm -r /run/systemd/system/slicelab-*.d; systemctl daemon-reload; systemctl restart ${UNITS}`);
  await livesOn(machine);
  step("every service hung, and its watchdog had it started again");

  await machine.run(`systemctl stop ${UNITS}
    for part in ${PARTS.join(" ")}; do [ "$(systemctl show -P Result slicelab-$part)" = success ]; done
    pgrep -f 'sleep 1000000' > /dev/null
    systemctl start ${UNITS}`);
  await livesOn(machine);
  step("all were stopped and started, and the sliver ran on meanwhile");

  await machine.run(`for part in ${PARTS.join(" ")}; do
      journalctl --unit slicelab-$part --output cat | grep -q '^{.*"msg":"ready"'
    done
    slice delete ${SLICE}
    systemctl disable --now ${UNITS}`);
  const left =
    await machine.run(`find /sys/fs/cgroup -name 'slicelab-*'; nft list tables; ls /run/slicelab 2> /dev/null || true
    ip -o link | grep -v ': \\(lo\\|trial0\\):' || true; grep -F /var/lib/slicelab /proc/mounts || true
    pgrep -af 'services/[a-z-]*/main.ts' || true; systemctl --failed --plain --no-legend`);
  expect(left === "", `this is left:\n${left}`);
  step("disabled, and nothing left");
}

/** Whether the program still runs that was started once, and slivers are to be got at. */
async function livesOn(machine: Machine): Promise<void> {
  const said = await machine.run(`slice exec ${SLICE} -- cat starts; slice ps ${SLICE}`);
  expect(
    said.split("started").length === 2 && said.includes("running"),
    `the program does not run on:\n${said}`,
  );
}

/** Shell that waits until systemd has started a part again, after its end, and it serves. */
function untilStartedAgain(part: string): string {
  return `until [ "$(systemctl show -P NRestarts slicelab-${part})" -ge 1 ] && systemctl is-active --quiet slicelab-${part}
    do sleep 0.1; done`;
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new OperatorError(otherwise);
}

function step(line: string): void {
  say(`${Math.round(performance.now() / 1000)} s: ${line}`);
}

function say(line: string): void {
  process.stdout.write(`trial: ${line}\n`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof OperatorError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
