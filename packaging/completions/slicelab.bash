# What the shell completes for slice and slicelab. Made from their own commands by npm run packaging.

# What may follow the command $1.
_slicelab_command() {
  subcommands=() options=() operands=()
  case $1 in
  'slice')
    subcommands=('create' 'plan' 'list' 'status' 'exec' 'launch' 'logs' 'ps' 'stop' 'ssh' 'scp' 'renew' 'repair' 'watch' 'delete' 'adopt' 'join' 'key' 'node' 'ticket' 'completion')
    options=('--help')
    operands=() ;;
  'slice create')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--nodes' '--lease' '--cpu' '--memory' '--disk' '--egress' '--engine' '--image' '--where' '--site' '--distinct-sites' '--spread' '--max-load' '--include' '--avoid' '--port' '--capability' '--help')
    operands=('file') ;;
  'slice plan')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--nodes' '--lease' '--cpu' '--memory' '--disk' '--egress' '--engine' '--image' '--where' '--site' '--distinct-sites' '--spread' '--max-load' '--include' '--avoid' '--port' '--capability' '--help')
    operands=('file') ;;
  'slice list')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--help')
    operands=() ;;
  'slice status')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--help')
    operands=('slice') ;;
  'slice exec')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--node' '--help')
    operands=('slice' '+other') ;;
  'slice launch')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--name' '--restart' '--env' '--file' '--help')
    operands=('slice' '+node') ;;
  'slice logs')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--follow' '-f' '--name' '--lines' '-n' '--help')
    operands=('slice' '+node') ;;
  'slice ps')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--help')
    operands=('slice' '+node') ;;
  'slice stop')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--name' '--help')
    operands=('slice' '+node') ;;
  'slice ssh')
    subcommands=()
    options=('--terminal' '-t' '--quiet' '-q' '--help')
    operands=('slice' '+node') ;;
  'slice scp')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--node' '--recursive' '-r' '--preserve' '-p' '--help')
    operands=('slice' '+file') ;;
  'slice renew')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--until' '--for' '--help')
    operands=('slice') ;;
  'slice repair')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--help')
    operands=('slice') ;;
  'slice watch')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--repair' '--every' '--help')
    operands=('slice') ;;
  'slice delete')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--help')
    operands=('slice') ;;
  'slice adopt')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--help')
    operands=('slice') ;;
  'slice join')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--name' '--note' '--help')
    operands=('other') ;;
  'slice key')
    subcommands=('add' 'rm' 'list')
    options=('--help')
    operands=() ;;
  'slice key add')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--help')
    operands=('slice' 'file') ;;
  'slice key rm')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--help')
    operands=('slice' 'file') ;;
  'slice key list')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--help')
    operands=('slice') ;;
  'slice node')
    subcommands=('list')
    options=('--help')
    operands=() ;;
  'slice node list')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--help')
    operands=() ;;
  'slice ticket')
    subcommands=('list')
    options=('--help')
    operands=() ;;
  'slice ticket list')
    subcommands=()
    options=('--output' '-o' '--quiet' '-q' '--deadline' '--timeout' '--help')
    operands=('slice') ;;
  'slice completion')
    subcommands=('bash' 'zsh' 'fish')
    options=('--help')
    operands=() ;;
  'slice completion bash')
    subcommands=()
    options=('--help')
    operands=() ;;
  'slice completion zsh')
    subcommands=()
    options=('--help')
    operands=() ;;
  'slice completion fish')
    subcommands=()
    options=('--help')
    operands=() ;;
  'slicelab admin')
    subcommands=('site' 'principal' 'invitation' 'enrolment' 'privilege' 'quota' 'node' 'slice' 'revocation' 'audit')
    options=('--help')
    operands=() ;;
  'slicelab admin site')
    subcommands=('add' 'list')
    options=('--help')
    operands=() ;;
  'slicelab admin site add')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin site list')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=() ;;
  'slicelab admin principal')
    subcommands=('add' 'list' 'role' 'suspend' 'resume')
    options=('--help')
    operands=() ;;
  'slicelab admin principal add')
    subcommands=()
    options=('--output' '-o' '--agent' '--role' '--certificate' '--site' '--help')
    operands=('other') ;;
  'slicelab admin principal list')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=() ;;
  'slicelab admin principal role')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other' 'other') ;;
  'slicelab admin principal suspend')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin principal resume')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin invitation')
    subcommands=('create' 'list' 'withdraw' 'public')
    options=('--help')
    operands=() ;;
  'slicelab admin invitation create')
    subcommands=()
    options=('--output' '-o' '--agent' '--kind' '--role' '--name' '--site' '--address' '--approve' '--uses' '--valid' '--help')
    operands=() ;;
  'slicelab admin invitation list')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=() ;;
  'slicelab admin invitation withdraw')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin invitation public')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=() ;;
  'slicelab admin enrolment')
    subcommands=('list' 'request' 'approve' 'refuse')
    options=('--help')
    operands=() ;;
  'slicelab admin enrolment list')
    subcommands=()
    options=('--output' '-o' '--agent' '--all' '--help')
    operands=() ;;
  'slicelab admin enrolment request')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin enrolment approve')
    subcommands=()
    options=('--output' '-o' '--agent' '--role' '--name' '--site' '--address' '--days' '--certificate' '--country' '--region' '--tag' '--help')
    operands=('other') ;;
  'slicelab admin enrolment refuse')
    subcommands=()
    options=('--output' '-o' '--agent' '--reason' '--help')
    operands=('other') ;;
  'slicelab admin privilege')
    subcommands=('grant' 'withdraw' 'list')
    options=('--help')
    operands=() ;;
  'slicelab admin privilege grant')
    subcommands=()
    options=('--output' '-o' '--agent' '--type' '--nodes' '--lease' '--renewable' '--until' '--capability' '--help')
    operands=('other') ;;
  'slicelab admin privilege withdraw')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin privilege list')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin quota')
    subcommands=('set' 'remove' 'list')
    options=('--help')
    operands=() ;;
  'slicelab admin quota set')
    subcommands=()
    options=('--output' '-o' '--agent' '--principal' '--site' '--slices' '--nodes' '--lease' '--slivers' '--cpu' '--memory' '--disk' '--egress' '--help')
    operands=() ;;
  'slicelab admin quota remove')
    subcommands=()
    options=('--output' '-o' '--agent' '--principal' '--site' '--help')
    operands=() ;;
  'slicelab admin quota list')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=() ;;
  'slicelab admin node')
    subcommands=('accept' 'list' 'drain' 'resume' 'retire' 'overbook')
    options=('--help')
    operands=() ;;
  'slicelab admin node accept')
    subcommands=()
    options=('--output' '-o' '--agent' '--ip' '--certificate' '--name' '--site' '--latitude' '--longitude' '--country' '--region' '--tag' '--help')
    operands=() ;;
  'slicelab admin node list')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=() ;;
  'slicelab admin node drain')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin node resume')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin node retire')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin node overbook')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other' 'other') ;;
  'slicelab admin slice')
    subcommands=('list' 'member' 'transfer')
    options=('--help')
    operands=() ;;
  'slicelab admin slice list')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=() ;;
  'slicelab admin slice member')
    subcommands=('add' 'remove' 'list')
    options=('--help')
    operands=() ;;
  'slicelab admin slice member add')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other' 'other') ;;
  'slicelab admin slice member remove')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other' 'other') ;;
  'slicelab admin slice member list')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin slice transfer')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other' 'other') ;;
  'slicelab admin revocation')
    subcommands=('publish' 'principal' 'ticket' 'list' 'nodes')
    options=('--help')
    operands=() ;;
  'slicelab admin revocation publish')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('file') ;;
  'slicelab admin revocation principal')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin revocation ticket')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=('other') ;;
  'slicelab admin revocation list')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=() ;;
  'slicelab admin revocation nodes')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=() ;;
  'slicelab admin audit')
    subcommands=('list' 'head' 'verify')
    options=('--help')
    operands=() ;;
  'slicelab admin audit list')
    subcommands=()
    options=('--output' '-o' '--agent' '--after' '--count' '--help')
    operands=() ;;
  'slicelab admin audit head')
    subcommands=()
    options=('--output' '-o' '--agent' '--help')
    operands=() ;;
  'slicelab admin audit verify')
    subcommands=()
    options=('--output' '-o' '--agent' '--head' '--earlier' '--help')
    operands=() ;;
  'slicelab agent')
    subcommands=('serve' 'site' 'principal' 'node' 'privilege' 'quota' 'holding' 'ticket-key' 'invitation' 'audit')
    options=('--help')
    operands=() ;;
  'slicelab agent serve')
    subcommands=()
    options=('--config' '--help')
    operands=() ;;
  'slicelab agent site')
    subcommands=('add' 'list')
    options=('--help')
    operands=() ;;
  'slicelab agent site add')
    subcommands=()
    options=('--config' '--database' '--help')
    operands=('other') ;;
  'slicelab agent site list')
    subcommands=()
    options=('--config' '--database' '--output' '-o' '--help')
    operands=() ;;
  'slicelab agent principal')
    subcommands=('add' 'suspend' 'resume' 'list')
    options=('--help')
    operands=() ;;
  'slicelab agent principal add')
    subcommands=()
    options=('--config' '--database' '--name' '--role' '--certificate' '--site' '--help')
    operands=() ;;
  'slicelab agent principal suspend')
    subcommands=()
    options=('--config' '--database' '--help')
    operands=('other') ;;
  'slicelab agent principal resume')
    subcommands=()
    options=('--config' '--database' '--help')
    operands=('other') ;;
  'slicelab agent principal list')
    subcommands=()
    options=('--config' '--database' '--output' '-o' '--help')
    operands=() ;;
  'slicelab agent node')
    subcommands=('add' 'suspend' 'drain' 'resume' 'retire' 'overbook' 'list')
    options=('--help')
    operands=() ;;
  'slicelab agent node add')
    subcommands=()
    options=('--config' '--database' '--name' '--certificate' '--ip' '--site' '--latitude' '--longitude' '--country' '--region' '--tag' '--help')
    operands=() ;;
  'slicelab agent node suspend')
    subcommands=()
    options=('--config' '--database' '--help')
    operands=('other') ;;
  'slicelab agent node drain')
    subcommands=()
    options=('--config' '--database' '--help')
    operands=('other') ;;
  'slicelab agent node resume')
    subcommands=()
    options=('--config' '--database' '--help')
    operands=('other') ;;
  'slicelab agent node retire')
    subcommands=()
    options=('--config' '--database' '--help')
    operands=('other') ;;
  'slicelab agent node overbook')
    subcommands=()
    options=('--config' '--database' '--help')
    operands=('other' 'other') ;;
  'slicelab agent node list')
    subcommands=()
    options=('--config' '--database' '--output' '-o' '--help')
    operands=() ;;
  'slicelab agent privilege')
    subcommands=('grant' 'withdraw' 'list')
    options=('--help')
    operands=() ;;
  'slicelab agent privilege grant')
    subcommands=()
    options=('--config' '--database' '--type' '--nodes' '--lease-seconds' '--renewable-seconds' '--capability' '--help')
    operands=('other') ;;
  'slicelab agent privilege withdraw')
    subcommands=()
    options=('--config' '--database' '--help')
    operands=('other') ;;
  'slicelab agent privilege list')
    subcommands=()
    options=('--config' '--database' '--output' '-o' '--help')
    operands=() ;;
  'slicelab agent quota')
    subcommands=('set' 'remove' 'list')
    options=('--help')
    operands=() ;;
  'slicelab agent quota set')
    subcommands=()
    options=('--config' '--database' '--principal' '--site' '--slices' '--nodes' '--lease-seconds' '--slivers' '--cpu-millis' '--memory-mib' '--disk-mib' '--egress-kbps' '--help')
    operands=() ;;
  'slicelab agent quota remove')
    subcommands=()
    options=('--config' '--database' '--principal' '--site' '--help')
    operands=() ;;
  'slicelab agent quota list')
    subcommands=()
    options=('--config' '--database' '--output' '-o' '--help')
    operands=() ;;
  'slicelab agent holding')
    subcommands=('grant' 'deposit' 'close' 'show' 'list')
    options=('--help')
    operands=() ;;
  'slicelab agent holding grant')
    subcommands=()
    options=('--config' '--to' '--identity' '--node' '--all' '--percent' '--slivers' '--cpu-millis' '--memory-mib' '--disk-mib' '--egress-kbps' '--days' '--port' '--prefix' '--engine' '--image' '--capability' '--final' '--renews' '--help')
    operands=() ;;
  'slicelab agent holding deposit')
    subcommands=()
    options=('--config' '--to' '--identity' '--help')
    operands=('+other') ;;
  'slicelab agent holding close')
    subcommands=()
    options=('--config' '--help')
    operands=('other') ;;
  'slicelab agent holding show')
    subcommands=()
    options=('--config' '--database' '--help')
    operands=('other') ;;
  'slicelab agent holding list')
    subcommands=()
    options=('--config' '--database' '--output' '-o' '--help')
    operands=() ;;
  'slicelab agent ticket-key')
    subcommands=('list' 'rotate' 'close')
    options=('--help')
    operands=() ;;
  'slicelab agent ticket-key list')
    subcommands=()
    options=('--config' '--output' '-o' '--help')
    operands=() ;;
  'slicelab agent ticket-key rotate')
    subcommands=()
    options=('--config' '--help')
    operands=() ;;
  'slicelab agent ticket-key close')
    subcommands=()
    options=('--config' '--help')
    operands=() ;;
  'slicelab agent invitation')
    subcommands=('create')
    options=('--help')
    operands=() ;;
  'slicelab agent invitation create')
    subcommands=()
    options=('--config' '--kind' '--role' '--name' '--site' '--address' '--approve' '--uses' '--hours' '--help')
    operands=() ;;
  'slicelab agent audit')
    subcommands=('list' 'head' 'verify')
    options=('--help')
    operands=() ;;
  'slicelab agent audit list')
    subcommands=()
    options=('--config' '--output' '-o' '--count' '--help')
    operands=() ;;
  'slicelab agent audit head')
    subcommands=()
    options=('--config' '--help')
    operands=() ;;
  'slicelab agent audit verify')
    subcommands=()
    options=('--config' '--head' '--help')
    operands=() ;;
  'slicelab authority')
    subcommands=('init' 'request' 'issue' 'show' 'list' 'revoke' 'revocations' 'serve')
    options=('--help')
    operands=() ;;
  'slicelab authority init')
    subcommands=()
    options=('--dir' '--name' '--takes-over' '--help')
    operands=() ;;
  'slicelab authority request')
    subcommands=()
    options=('--name' '--out' '--rsa-bits' '--help')
    operands=() ;;
  'slicelab authority issue')
    subcommands=()
    options=('--dir' '--name' '--kind' '--address' '--days' '--out' '--help')
    operands=('file') ;;
  'slicelab authority show')
    subcommands=()
    options=('--output' '-o' '--help')
    operands=('file') ;;
  'slicelab authority list')
    subcommands=()
    options=('--dir' '--output' '-o' '--help')
    operands=() ;;
  'slicelab authority revoke')
    subcommands=()
    options=('--dir' '--help')
    operands=('other') ;;
  'slicelab authority revocations')
    subcommands=()
    options=('--dir' '--days' '--help')
    operands=() ;;
  'slicelab authority serve')
    subcommands=()
    options=('--config' '--help')
    operands=() ;;
  'slicelab broker')
    subcommands=('serve' 'join')
    options=('--help')
    operands=() ;;
  'slicelab broker serve')
    subcommands=()
    options=('--config' '--help')
    operands=() ;;
  'slicelab broker join')
    subcommands=()
    options=('--address' '--dir' '--state' '--database' '--redis' '--name' '--note' '--help')
    operands=('other') ;;
  'slicelab doctor')
    subcommands=()
    options=('--config' '--output' '-o' '--help')
    operands=() ;;
  'slicelab image')
    subcommands=('add' 'list' 'remove' 'verify')
    options=('--help')
    operands=() ;;
  'slicelab image add')
    subcommands=()
    options=('--dir' '--digest' '--limit-mib' '--help')
    operands=('other' 'file') ;;
  'slicelab image list')
    subcommands=()
    options=('--dir' '--output' '-o' '--help')
    operands=() ;;
  'slicelab image remove')
    subcommands=()
    options=('--dir' '--help')
    operands=('other') ;;
  'slicelab image verify')
    subcommands=()
    options=('--dir' '--help')
    operands=('+other') ;;
  'slicelab node-manager')
    subcommands=('serve' 'join' 'stop-slivers' 'disown-roots')
    options=('--help')
    operands=() ;;
  'slicelab node-manager serve')
    subcommands=()
    options=('--config' '--help')
    operands=() ;;
  'slicelab node-manager join')
    subcommands=()
    options=('--ip' '--dir' '--state' '--engine' '--name' '--note' '--cpu-millis' '--memory-mib' '--disk-mib' '--egress-kbps' '--slivers' '--help')
    operands=('other') ;;
  'slicelab node-manager stop-slivers')
    subcommands=()
    options=('--config' '--help')
    operands=() ;;
  'slicelab node-manager disown-roots')
    subcommands=()
    options=('--config' '--help')
    operands=() ;;
  'slicelab node')
    subcommands=('leases' 'bans' 'suspend' 'resume' 'kill' 'ban' 'unban' 'audit' 'who')
    options=('--help')
    operands=() ;;
  'slicelab node leases')
    subcommands=()
    options=('--config' '--output' '-o' '--help')
    operands=() ;;
  'slicelab node bans')
    subcommands=()
    options=('--config' '--output' '-o' '--help')
    operands=() ;;
  'slicelab node suspend')
    subcommands=()
    options=('--config' '--reason' '--help')
    operands=('other') ;;
  'slicelab node resume')
    subcommands=()
    options=('--config' '--help')
    operands=('other') ;;
  'slicelab node kill')
    subcommands=()
    options=('--config' '--reason' '--help')
    operands=('other') ;;
  'slicelab node ban')
    subcommands=()
    options=('--config' '--reason' '--kill' '--help')
    operands=('other') ;;
  'slicelab node unban')
    subcommands=()
    options=('--config' '--help')
    operands=('other') ;;
  'slicelab node audit')
    subcommands=('list' 'verify')
    options=('--help')
    operands=() ;;
  'slicelab node audit list')
    subcommands=()
    options=('--config' '--output' '-o' '--count' '--help')
    operands=() ;;
  'slicelab node audit verify')
    subcommands=()
    options=('--config' '--head' '--help')
    operands=() ;;
  'slicelab node who')
    subcommands=()
    options=('--config' '--output' '-o' '--within' '--remote' '--help')
    operands=('other' 'other' 'other') ;;
  'slicelab resource-monitor')
    subcommands=('serve')
    options=('--help')
    operands=() ;;
  'slicelab resource-monitor serve')
    subcommands=()
    options=('--config' '--help')
    operands=() ;;
  'slicelab')
    subcommands=('authority' 'agent' 'node-manager' 'node' 'resource-monitor' 'image' 'admin' 'broker' 'doctor' 'testbed')
    options=('--help')
    operands=() ;;
  *) return 1 ;;
  esac
}

# What the option $2 of the command $1 takes, if it takes a value.
_slicelab_value() {
  kind=
  case "$1 $2" in
  'slice create --output') kind='=table wide json yaml name' ;;
  'slice create -o') kind='=table wide json yaml name' ;;
  'slice create --deadline') kind='other' ;;
  'slice create --timeout') kind='other' ;;
  'slice create --nodes') kind='node' ;;
  'slice create --lease') kind='other' ;;
  'slice create --cpu') kind='other' ;;
  'slice create --memory') kind='other' ;;
  'slice create --disk') kind='other' ;;
  'slice create --egress') kind='other' ;;
  'slice create --engine') kind='other' ;;
  'slice create --image') kind='other' ;;
  'slice create --where') kind='other' ;;
  'slice create --site') kind='other' ;;
  'slice create --spread') kind='other' ;;
  'slice create --max-load') kind='other' ;;
  'slice create --include') kind='node' ;;
  'slice create --avoid') kind='node' ;;
  'slice create --port') kind='other' ;;
  'slice create --capability') kind='other' ;;
  'slice plan --output') kind='=table wide json yaml name' ;;
  'slice plan -o') kind='=table wide json yaml name' ;;
  'slice plan --deadline') kind='other' ;;
  'slice plan --timeout') kind='other' ;;
  'slice plan --nodes') kind='node' ;;
  'slice plan --lease') kind='other' ;;
  'slice plan --cpu') kind='other' ;;
  'slice plan --memory') kind='other' ;;
  'slice plan --disk') kind='other' ;;
  'slice plan --egress') kind='other' ;;
  'slice plan --engine') kind='other' ;;
  'slice plan --image') kind='other' ;;
  'slice plan --where') kind='other' ;;
  'slice plan --site') kind='other' ;;
  'slice plan --spread') kind='other' ;;
  'slice plan --max-load') kind='other' ;;
  'slice plan --include') kind='node' ;;
  'slice plan --avoid') kind='node' ;;
  'slice plan --port') kind='other' ;;
  'slice plan --capability') kind='other' ;;
  'slice list --output') kind='=table wide json yaml name' ;;
  'slice list -o') kind='=table wide json yaml name' ;;
  'slice list --deadline') kind='other' ;;
  'slice list --timeout') kind='other' ;;
  'slice status --output') kind='=table wide json yaml name' ;;
  'slice status -o') kind='=table wide json yaml name' ;;
  'slice status --deadline') kind='other' ;;
  'slice status --timeout') kind='other' ;;
  'slice exec --output') kind='=table wide json yaml name' ;;
  'slice exec -o') kind='=table wide json yaml name' ;;
  'slice exec --deadline') kind='other' ;;
  'slice exec --timeout') kind='other' ;;
  'slice exec --node') kind='node' ;;
  'slice launch --output') kind='=table wide json yaml name' ;;
  'slice launch -o') kind='=table wide json yaml name' ;;
  'slice launch --deadline') kind='other' ;;
  'slice launch --timeout') kind='other' ;;
  'slice launch --name') kind='other' ;;
  'slice launch --restart') kind='=always on-failure never' ;;
  'slice launch --env') kind='other' ;;
  'slice launch --file') kind='file' ;;
  'slice logs --output') kind='=table wide json yaml name' ;;
  'slice logs -o') kind='=table wide json yaml name' ;;
  'slice logs --deadline') kind='other' ;;
  'slice logs --timeout') kind='other' ;;
  'slice logs --name') kind='other' ;;
  'slice logs --lines') kind='other' ;;
  'slice logs -n') kind='other' ;;
  'slice ps --output') kind='=table wide json yaml name' ;;
  'slice ps -o') kind='=table wide json yaml name' ;;
  'slice ps --deadline') kind='other' ;;
  'slice ps --timeout') kind='other' ;;
  'slice stop --output') kind='=table wide json yaml name' ;;
  'slice stop -o') kind='=table wide json yaml name' ;;
  'slice stop --deadline') kind='other' ;;
  'slice stop --timeout') kind='other' ;;
  'slice stop --name') kind='other' ;;
  'slice scp --output') kind='=table wide json yaml name' ;;
  'slice scp -o') kind='=table wide json yaml name' ;;
  'slice scp --deadline') kind='other' ;;
  'slice scp --timeout') kind='other' ;;
  'slice scp --node') kind='node' ;;
  'slice renew --output') kind='=table wide json yaml name' ;;
  'slice renew -o') kind='=table wide json yaml name' ;;
  'slice renew --deadline') kind='other' ;;
  'slice renew --timeout') kind='other' ;;
  'slice renew --until') kind='other' ;;
  'slice renew --for') kind='other' ;;
  'slice repair --output') kind='=table wide json yaml name' ;;
  'slice repair -o') kind='=table wide json yaml name' ;;
  'slice repair --deadline') kind='other' ;;
  'slice repair --timeout') kind='other' ;;
  'slice watch --output') kind='=table wide json yaml name' ;;
  'slice watch -o') kind='=table wide json yaml name' ;;
  'slice watch --deadline') kind='other' ;;
  'slice watch --timeout') kind='other' ;;
  'slice watch --every') kind='other' ;;
  'slice delete --output') kind='=table wide json yaml name' ;;
  'slice delete -o') kind='=table wide json yaml name' ;;
  'slice delete --deadline') kind='other' ;;
  'slice delete --timeout') kind='other' ;;
  'slice adopt --output') kind='=table wide json yaml name' ;;
  'slice adopt -o') kind='=table wide json yaml name' ;;
  'slice adopt --deadline') kind='other' ;;
  'slice adopt --timeout') kind='other' ;;
  'slice join --output') kind='=table wide json yaml name' ;;
  'slice join -o') kind='=table wide json yaml name' ;;
  'slice join --deadline') kind='other' ;;
  'slice join --timeout') kind='other' ;;
  'slice join --name') kind='other' ;;
  'slice join --note') kind='other' ;;
  'slice key add --output') kind='=table wide json yaml name' ;;
  'slice key add -o') kind='=table wide json yaml name' ;;
  'slice key add --deadline') kind='other' ;;
  'slice key add --timeout') kind='other' ;;
  'slice key rm --output') kind='=table wide json yaml name' ;;
  'slice key rm -o') kind='=table wide json yaml name' ;;
  'slice key rm --deadline') kind='other' ;;
  'slice key rm --timeout') kind='other' ;;
  'slice key list --output') kind='=table wide json yaml name' ;;
  'slice key list -o') kind='=table wide json yaml name' ;;
  'slice key list --deadline') kind='other' ;;
  'slice key list --timeout') kind='other' ;;
  'slice node list --output') kind='=table wide json yaml name' ;;
  'slice node list -o') kind='=table wide json yaml name' ;;
  'slice node list --deadline') kind='other' ;;
  'slice node list --timeout') kind='other' ;;
  'slice ticket list --output') kind='=table wide json yaml name' ;;
  'slice ticket list -o') kind='=table wide json yaml name' ;;
  'slice ticket list --deadline') kind='other' ;;
  'slice ticket list --timeout') kind='other' ;;
  'slicelab admin site add --output') kind='=table wide json yaml name' ;;
  'slicelab admin site add -o') kind='=table wide json yaml name' ;;
  'slicelab admin site add --agent') kind='other' ;;
  'slicelab admin site list --output') kind='=table wide json yaml name' ;;
  'slicelab admin site list -o') kind='=table wide json yaml name' ;;
  'slicelab admin site list --agent') kind='other' ;;
  'slicelab admin principal add --output') kind='=table wide json yaml name' ;;
  'slicelab admin principal add -o') kind='=table wide json yaml name' ;;
  'slicelab admin principal add --agent') kind='other' ;;
  'slicelab admin principal add --role') kind='=researcher pi administrator agent' ;;
  'slicelab admin principal add --certificate') kind='file' ;;
  'slicelab admin principal add --site') kind='other' ;;
  'slicelab admin principal list --output') kind='=table wide json yaml name' ;;
  'slicelab admin principal list -o') kind='=table wide json yaml name' ;;
  'slicelab admin principal list --agent') kind='other' ;;
  'slicelab admin principal role --output') kind='=table wide json yaml name' ;;
  'slicelab admin principal role -o') kind='=table wide json yaml name' ;;
  'slicelab admin principal role --agent') kind='other' ;;
  'slicelab admin principal suspend --output') kind='=table wide json yaml name' ;;
  'slicelab admin principal suspend -o') kind='=table wide json yaml name' ;;
  'slicelab admin principal suspend --agent') kind='other' ;;
  'slicelab admin principal resume --output') kind='=table wide json yaml name' ;;
  'slicelab admin principal resume -o') kind='=table wide json yaml name' ;;
  'slicelab admin principal resume --agent') kind='other' ;;
  'slicelab admin invitation create --output') kind='=table wide json yaml name' ;;
  'slicelab admin invitation create -o') kind='=table wide json yaml name' ;;
  'slicelab admin invitation create --agent') kind='other' ;;
  'slicelab admin invitation create --kind') kind='=person node service' ;;
  'slicelab admin invitation create --role') kind='=researcher pi administrator agent' ;;
  'slicelab admin invitation create --name') kind='other' ;;
  'slicelab admin invitation create --site') kind='other' ;;
  'slicelab admin invitation create --address') kind='other' ;;
  'slicelab admin invitation create --uses') kind='other' ;;
  'slicelab admin invitation create --valid') kind='other' ;;
  'slicelab admin invitation list --output') kind='=table wide json yaml name' ;;
  'slicelab admin invitation list -o') kind='=table wide json yaml name' ;;
  'slicelab admin invitation list --agent') kind='other' ;;
  'slicelab admin invitation withdraw --output') kind='=table wide json yaml name' ;;
  'slicelab admin invitation withdraw -o') kind='=table wide json yaml name' ;;
  'slicelab admin invitation withdraw --agent') kind='other' ;;
  'slicelab admin invitation public --output') kind='=table wide json yaml name' ;;
  'slicelab admin invitation public -o') kind='=table wide json yaml name' ;;
  'slicelab admin invitation public --agent') kind='other' ;;
  'slicelab admin enrolment list --output') kind='=table wide json yaml name' ;;
  'slicelab admin enrolment list -o') kind='=table wide json yaml name' ;;
  'slicelab admin enrolment list --agent') kind='other' ;;
  'slicelab admin enrolment request --output') kind='=table wide json yaml name' ;;
  'slicelab admin enrolment request -o') kind='=table wide json yaml name' ;;
  'slicelab admin enrolment request --agent') kind='other' ;;
  'slicelab admin enrolment approve --output') kind='=table wide json yaml name' ;;
  'slicelab admin enrolment approve -o') kind='=table wide json yaml name' ;;
  'slicelab admin enrolment approve --agent') kind='other' ;;
  'slicelab admin enrolment approve --role') kind='=researcher pi administrator agent' ;;
  'slicelab admin enrolment approve --name') kind='other' ;;
  'slicelab admin enrolment approve --site') kind='other' ;;
  'slicelab admin enrolment approve --address') kind='other' ;;
  'slicelab admin enrolment approve --days') kind='other' ;;
  'slicelab admin enrolment approve --certificate') kind='file' ;;
  'slicelab admin enrolment approve --country') kind='other' ;;
  'slicelab admin enrolment approve --region') kind='other' ;;
  'slicelab admin enrolment approve --tag') kind='other' ;;
  'slicelab admin enrolment refuse --output') kind='=table wide json yaml name' ;;
  'slicelab admin enrolment refuse -o') kind='=table wide json yaml name' ;;
  'slicelab admin enrolment refuse --agent') kind='other' ;;
  'slicelab admin enrolment refuse --reason') kind='other' ;;
  'slicelab admin privilege grant --output') kind='=table wide json yaml name' ;;
  'slicelab admin privilege grant -o') kind='=table wide json yaml name' ;;
  'slicelab admin privilege grant --agent') kind='other' ;;
  'slicelab admin privilege grant --type') kind='=conventional administrative' ;;
  'slicelab admin privilege grant --nodes') kind='other' ;;
  'slicelab admin privilege grant --lease') kind='other' ;;
  'slicelab admin privilege grant --renewable') kind='other' ;;
  'slicelab admin privilege grant --until') kind='other' ;;
  'slicelab admin privilege grant --capability') kind='=CAP_NET_RAW CAP_NET_ADMIN CAP_SYS_PTRACE CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_ADMIN CAP_SYS_TIME CAP_DAC_READ_SEARCH CAP_AUDIT_READ CAP_SYSLOG CAP_BPF CAP_PERFMON' ;;
  'slicelab admin privilege withdraw --output') kind='=table wide json yaml name' ;;
  'slicelab admin privilege withdraw -o') kind='=table wide json yaml name' ;;
  'slicelab admin privilege withdraw --agent') kind='other' ;;
  'slicelab admin privilege list --output') kind='=table wide json yaml name' ;;
  'slicelab admin privilege list -o') kind='=table wide json yaml name' ;;
  'slicelab admin privilege list --agent') kind='other' ;;
  'slicelab admin quota set --output') kind='=table wide json yaml name' ;;
  'slicelab admin quota set -o') kind='=table wide json yaml name' ;;
  'slicelab admin quota set --agent') kind='other' ;;
  'slicelab admin quota set --principal') kind='other' ;;
  'slicelab admin quota set --site') kind='other' ;;
  'slicelab admin quota set --slices') kind='other' ;;
  'slicelab admin quota set --nodes') kind='other' ;;
  'slicelab admin quota set --lease') kind='other' ;;
  'slicelab admin quota set --slivers') kind='other' ;;
  'slicelab admin quota set --cpu') kind='other' ;;
  'slicelab admin quota set --memory') kind='other' ;;
  'slicelab admin quota set --disk') kind='other' ;;
  'slicelab admin quota set --egress') kind='other' ;;
  'slicelab admin quota remove --output') kind='=table wide json yaml name' ;;
  'slicelab admin quota remove -o') kind='=table wide json yaml name' ;;
  'slicelab admin quota remove --agent') kind='other' ;;
  'slicelab admin quota remove --principal') kind='other' ;;
  'slicelab admin quota remove --site') kind='other' ;;
  'slicelab admin quota list --output') kind='=table wide json yaml name' ;;
  'slicelab admin quota list -o') kind='=table wide json yaml name' ;;
  'slicelab admin quota list --agent') kind='other' ;;
  'slicelab admin node accept --output') kind='=table wide json yaml name' ;;
  'slicelab admin node accept -o') kind='=table wide json yaml name' ;;
  'slicelab admin node accept --agent') kind='other' ;;
  'slicelab admin node accept --ip') kind='other' ;;
  'slicelab admin node accept --certificate') kind='file' ;;
  'slicelab admin node accept --name') kind='other' ;;
  'slicelab admin node accept --site') kind='other' ;;
  'slicelab admin node accept --latitude') kind='other' ;;
  'slicelab admin node accept --longitude') kind='other' ;;
  'slicelab admin node accept --country') kind='other' ;;
  'slicelab admin node accept --region') kind='other' ;;
  'slicelab admin node accept --tag') kind='other' ;;
  'slicelab admin node list --output') kind='=table wide json yaml name' ;;
  'slicelab admin node list -o') kind='=table wide json yaml name' ;;
  'slicelab admin node list --agent') kind='other' ;;
  'slicelab admin node drain --output') kind='=table wide json yaml name' ;;
  'slicelab admin node drain -o') kind='=table wide json yaml name' ;;
  'slicelab admin node drain --agent') kind='other' ;;
  'slicelab admin node resume --output') kind='=table wide json yaml name' ;;
  'slicelab admin node resume -o') kind='=table wide json yaml name' ;;
  'slicelab admin node resume --agent') kind='other' ;;
  'slicelab admin node retire --output') kind='=table wide json yaml name' ;;
  'slicelab admin node retire -o') kind='=table wide json yaml name' ;;
  'slicelab admin node retire --agent') kind='other' ;;
  'slicelab admin node overbook --output') kind='=table wide json yaml name' ;;
  'slicelab admin node overbook -o') kind='=table wide json yaml name' ;;
  'slicelab admin node overbook --agent') kind='other' ;;
  'slicelab admin slice list --output') kind='=table wide json yaml name' ;;
  'slicelab admin slice list -o') kind='=table wide json yaml name' ;;
  'slicelab admin slice list --agent') kind='other' ;;
  'slicelab admin slice member add --output') kind='=table wide json yaml name' ;;
  'slicelab admin slice member add -o') kind='=table wide json yaml name' ;;
  'slicelab admin slice member add --agent') kind='other' ;;
  'slicelab admin slice member remove --output') kind='=table wide json yaml name' ;;
  'slicelab admin slice member remove -o') kind='=table wide json yaml name' ;;
  'slicelab admin slice member remove --agent') kind='other' ;;
  'slicelab admin slice member list --output') kind='=table wide json yaml name' ;;
  'slicelab admin slice member list -o') kind='=table wide json yaml name' ;;
  'slicelab admin slice member list --agent') kind='other' ;;
  'slicelab admin slice transfer --output') kind='=table wide json yaml name' ;;
  'slicelab admin slice transfer -o') kind='=table wide json yaml name' ;;
  'slicelab admin slice transfer --agent') kind='other' ;;
  'slicelab admin revocation publish --output') kind='=table wide json yaml name' ;;
  'slicelab admin revocation publish -o') kind='=table wide json yaml name' ;;
  'slicelab admin revocation publish --agent') kind='other' ;;
  'slicelab admin revocation principal --output') kind='=table wide json yaml name' ;;
  'slicelab admin revocation principal -o') kind='=table wide json yaml name' ;;
  'slicelab admin revocation principal --agent') kind='other' ;;
  'slicelab admin revocation ticket --output') kind='=table wide json yaml name' ;;
  'slicelab admin revocation ticket -o') kind='=table wide json yaml name' ;;
  'slicelab admin revocation ticket --agent') kind='other' ;;
  'slicelab admin revocation list --output') kind='=table wide json yaml name' ;;
  'slicelab admin revocation list -o') kind='=table wide json yaml name' ;;
  'slicelab admin revocation list --agent') kind='other' ;;
  'slicelab admin revocation nodes --output') kind='=table wide json yaml name' ;;
  'slicelab admin revocation nodes -o') kind='=table wide json yaml name' ;;
  'slicelab admin revocation nodes --agent') kind='other' ;;
  'slicelab admin audit list --output') kind='=table wide json yaml name' ;;
  'slicelab admin audit list -o') kind='=table wide json yaml name' ;;
  'slicelab admin audit list --agent') kind='other' ;;
  'slicelab admin audit list --after') kind='other' ;;
  'slicelab admin audit list --count') kind='other' ;;
  'slicelab admin audit head --output') kind='=table wide json yaml name' ;;
  'slicelab admin audit head -o') kind='=table wide json yaml name' ;;
  'slicelab admin audit head --agent') kind='other' ;;
  'slicelab admin audit verify --output') kind='=table wide json yaml name' ;;
  'slicelab admin audit verify -o') kind='=table wide json yaml name' ;;
  'slicelab admin audit verify --agent') kind='other' ;;
  'slicelab admin audit verify --head') kind='other' ;;
  'slicelab admin audit verify --earlier') kind='file' ;;
  'slicelab agent serve --config') kind='file' ;;
  'slicelab agent site add --config') kind='file' ;;
  'slicelab agent site add --database') kind='other' ;;
  'slicelab agent site list --config') kind='file' ;;
  'slicelab agent site list --database') kind='other' ;;
  'slicelab agent site list --output') kind='=table json' ;;
  'slicelab agent site list -o') kind='=table json' ;;
  'slicelab agent principal add --config') kind='file' ;;
  'slicelab agent principal add --database') kind='other' ;;
  'slicelab agent principal add --name') kind='other' ;;
  'slicelab agent principal add --role') kind='=researcher pi administrator agent' ;;
  'slicelab agent principal add --certificate') kind='file' ;;
  'slicelab agent principal add --site') kind='other' ;;
  'slicelab agent principal suspend --config') kind='file' ;;
  'slicelab agent principal suspend --database') kind='other' ;;
  'slicelab agent principal resume --config') kind='file' ;;
  'slicelab agent principal resume --database') kind='other' ;;
  'slicelab agent principal list --config') kind='file' ;;
  'slicelab agent principal list --database') kind='other' ;;
  'slicelab agent principal list --output') kind='=table json' ;;
  'slicelab agent principal list -o') kind='=table json' ;;
  'slicelab agent node add --config') kind='file' ;;
  'slicelab agent node add --database') kind='other' ;;
  'slicelab agent node add --name') kind='other' ;;
  'slicelab agent node add --certificate') kind='file' ;;
  'slicelab agent node add --ip') kind='other' ;;
  'slicelab agent node add --site') kind='other' ;;
  'slicelab agent node add --latitude') kind='other' ;;
  'slicelab agent node add --longitude') kind='other' ;;
  'slicelab agent node add --country') kind='other' ;;
  'slicelab agent node add --region') kind='other' ;;
  'slicelab agent node add --tag') kind='other' ;;
  'slicelab agent node suspend --config') kind='file' ;;
  'slicelab agent node suspend --database') kind='other' ;;
  'slicelab agent node drain --config') kind='file' ;;
  'slicelab agent node drain --database') kind='other' ;;
  'slicelab agent node resume --config') kind='file' ;;
  'slicelab agent node resume --database') kind='other' ;;
  'slicelab agent node retire --config') kind='file' ;;
  'slicelab agent node retire --database') kind='other' ;;
  'slicelab agent node overbook --config') kind='file' ;;
  'slicelab agent node overbook --database') kind='other' ;;
  'slicelab agent node list --config') kind='file' ;;
  'slicelab agent node list --database') kind='other' ;;
  'slicelab agent node list --output') kind='=table json' ;;
  'slicelab agent node list -o') kind='=table json' ;;
  'slicelab agent privilege grant --config') kind='file' ;;
  'slicelab agent privilege grant --database') kind='other' ;;
  'slicelab agent privilege grant --type') kind='=conventional administrative' ;;
  'slicelab agent privilege grant --nodes') kind='other' ;;
  'slicelab agent privilege grant --lease-seconds') kind='other' ;;
  'slicelab agent privilege grant --renewable-seconds') kind='other' ;;
  'slicelab agent privilege grant --capability') kind='other' ;;
  'slicelab agent privilege withdraw --config') kind='file' ;;
  'slicelab agent privilege withdraw --database') kind='other' ;;
  'slicelab agent privilege list --config') kind='file' ;;
  'slicelab agent privilege list --database') kind='other' ;;
  'slicelab agent privilege list --output') kind='=table json' ;;
  'slicelab agent privilege list -o') kind='=table json' ;;
  'slicelab agent quota set --config') kind='file' ;;
  'slicelab agent quota set --database') kind='other' ;;
  'slicelab agent quota set --principal') kind='other' ;;
  'slicelab agent quota set --site') kind='other' ;;
  'slicelab agent quota set --slices') kind='other' ;;
  'slicelab agent quota set --nodes') kind='other' ;;
  'slicelab agent quota set --lease-seconds') kind='other' ;;
  'slicelab agent quota set --slivers') kind='other' ;;
  'slicelab agent quota set --cpu-millis') kind='other' ;;
  'slicelab agent quota set --memory-mib') kind='other' ;;
  'slicelab agent quota set --disk-mib') kind='other' ;;
  'slicelab agent quota set --egress-kbps') kind='other' ;;
  'slicelab agent quota remove --config') kind='file' ;;
  'slicelab agent quota remove --database') kind='other' ;;
  'slicelab agent quota remove --principal') kind='other' ;;
  'slicelab agent quota remove --site') kind='other' ;;
  'slicelab agent quota list --config') kind='file' ;;
  'slicelab agent quota list --database') kind='other' ;;
  'slicelab agent quota list --output') kind='=table json' ;;
  'slicelab agent quota list -o') kind='=table json' ;;
  'slicelab agent holding grant --config') kind='file' ;;
  'slicelab agent holding grant --to') kind='other' ;;
  'slicelab agent holding grant --identity') kind='other' ;;
  'slicelab agent holding grant --node') kind='other' ;;
  'slicelab agent holding grant --percent') kind='other' ;;
  'slicelab agent holding grant --slivers') kind='other' ;;
  'slicelab agent holding grant --cpu-millis') kind='other' ;;
  'slicelab agent holding grant --memory-mib') kind='other' ;;
  'slicelab agent holding grant --disk-mib') kind='other' ;;
  'slicelab agent holding grant --egress-kbps') kind='other' ;;
  'slicelab agent holding grant --days') kind='other' ;;
  'slicelab agent holding grant --port') kind='other' ;;
  'slicelab agent holding grant --prefix') kind='other' ;;
  'slicelab agent holding grant --engine') kind='=simulated container microvm docker' ;;
  'slicelab agent holding grant --image') kind='other' ;;
  'slicelab agent holding grant --capability') kind='other' ;;
  'slicelab agent holding grant --renews') kind='other' ;;
  'slicelab agent holding deposit --config') kind='file' ;;
  'slicelab agent holding deposit --to') kind='other' ;;
  'slicelab agent holding deposit --identity') kind='other' ;;
  'slicelab agent holding close --config') kind='file' ;;
  'slicelab agent holding show --config') kind='file' ;;
  'slicelab agent holding show --database') kind='other' ;;
  'slicelab agent holding list --config') kind='file' ;;
  'slicelab agent holding list --database') kind='other' ;;
  'slicelab agent holding list --output') kind='=table json' ;;
  'slicelab agent holding list -o') kind='=table json' ;;
  'slicelab agent ticket-key list --config') kind='file' ;;
  'slicelab agent ticket-key list --output') kind='=table json' ;;
  'slicelab agent ticket-key list -o') kind='=table json' ;;
  'slicelab agent ticket-key rotate --config') kind='file' ;;
  'slicelab agent ticket-key close --config') kind='file' ;;
  'slicelab agent invitation create --config') kind='file' ;;
  'slicelab agent invitation create --kind') kind='=person node service' ;;
  'slicelab agent invitation create --role') kind='=researcher pi administrator agent' ;;
  'slicelab agent invitation create --name') kind='other' ;;
  'slicelab agent invitation create --site') kind='other' ;;
  'slicelab agent invitation create --address') kind='other' ;;
  'slicelab agent invitation create --uses') kind='other' ;;
  'slicelab agent invitation create --hours') kind='other' ;;
  'slicelab agent audit list --config') kind='file' ;;
  'slicelab agent audit list --output') kind='=table json' ;;
  'slicelab agent audit list -o') kind='=table json' ;;
  'slicelab agent audit list --count') kind='other' ;;
  'slicelab agent audit head --config') kind='file' ;;
  'slicelab agent audit verify --config') kind='file' ;;
  'slicelab agent audit verify --head') kind='other' ;;
  'slicelab authority init --dir') kind='directory' ;;
  'slicelab authority init --name') kind='other' ;;
  'slicelab authority init --takes-over') kind='directory' ;;
  'slicelab authority request --name') kind='other' ;;
  'slicelab authority request --out') kind='directory' ;;
  'slicelab authority request --rsa-bits') kind='=2048 3072 4096' ;;
  'slicelab authority issue --dir') kind='directory' ;;
  'slicelab authority issue --name') kind='other' ;;
  'slicelab authority issue --kind') kind='=client server' ;;
  'slicelab authority issue --address') kind='other' ;;
  'slicelab authority issue --days') kind='other' ;;
  'slicelab authority issue --out') kind='file' ;;
  'slicelab authority show --output') kind='=table json' ;;
  'slicelab authority show -o') kind='=table json' ;;
  'slicelab authority list --dir') kind='directory' ;;
  'slicelab authority list --output') kind='=table json' ;;
  'slicelab authority list -o') kind='=table json' ;;
  'slicelab authority revoke --dir') kind='directory' ;;
  'slicelab authority revocations --dir') kind='directory' ;;
  'slicelab authority revocations --days') kind='other' ;;
  'slicelab authority serve --config') kind='file' ;;
  'slicelab broker serve --config') kind='file' ;;
  'slicelab broker join --address') kind='other' ;;
  'slicelab broker join --dir') kind='directory' ;;
  'slicelab broker join --state') kind='directory' ;;
  'slicelab broker join --database') kind='other' ;;
  'slicelab broker join --redis') kind='other' ;;
  'slicelab broker join --name') kind='other' ;;
  'slicelab broker join --note') kind='other' ;;
  'slicelab doctor --config') kind='other' ;;
  'slicelab doctor --output') kind='=text json' ;;
  'slicelab doctor -o') kind='=text json' ;;
  'slicelab image add --dir') kind='directory' ;;
  'slicelab image add --digest') kind='other' ;;
  'slicelab image add --limit-mib') kind='other' ;;
  'slicelab image list --dir') kind='directory' ;;
  'slicelab image list --output') kind='=table json' ;;
  'slicelab image list -o') kind='=table json' ;;
  'slicelab image remove --dir') kind='directory' ;;
  'slicelab image verify --dir') kind='directory' ;;
  'slicelab node-manager serve --config') kind='file' ;;
  'slicelab node-manager join --ip') kind='other' ;;
  'slicelab node-manager join --dir') kind='directory' ;;
  'slicelab node-manager join --state') kind='directory' ;;
  'slicelab node-manager join --engine') kind='=simulated container microvm docker' ;;
  'slicelab node-manager join --name') kind='other' ;;
  'slicelab node-manager join --note') kind='other' ;;
  'slicelab node-manager join --cpu-millis') kind='other' ;;
  'slicelab node-manager join --memory-mib') kind='other' ;;
  'slicelab node-manager join --disk-mib') kind='other' ;;
  'slicelab node-manager join --egress-kbps') kind='other' ;;
  'slicelab node-manager join --slivers') kind='other' ;;
  'slicelab node-manager stop-slivers --config') kind='file' ;;
  'slicelab node-manager disown-roots --config') kind='file' ;;
  'slicelab node leases --config') kind='file' ;;
  'slicelab node leases --output') kind='=table wide json' ;;
  'slicelab node leases -o') kind='=table wide json' ;;
  'slicelab node bans --config') kind='file' ;;
  'slicelab node bans --output') kind='=table wide json' ;;
  'slicelab node bans -o') kind='=table wide json' ;;
  'slicelab node suspend --config') kind='file' ;;
  'slicelab node suspend --reason') kind='other' ;;
  'slicelab node resume --config') kind='file' ;;
  'slicelab node kill --config') kind='file' ;;
  'slicelab node kill --reason') kind='other' ;;
  'slicelab node ban --config') kind='file' ;;
  'slicelab node ban --reason') kind='other' ;;
  'slicelab node unban --config') kind='file' ;;
  'slicelab node audit list --config') kind='file' ;;
  'slicelab node audit list --output') kind='=table wide json' ;;
  'slicelab node audit list -o') kind='=table wide json' ;;
  'slicelab node audit list --count') kind='other' ;;
  'slicelab node audit verify --config') kind='file' ;;
  'slicelab node audit verify --head') kind='other' ;;
  'slicelab node who --config') kind='file' ;;
  'slicelab node who --output') kind='=table wide json' ;;
  'slicelab node who -o') kind='=table wide json' ;;
  'slicelab node who --within') kind='other' ;;
  'slicelab node who --remote') kind='other' ;;
  'slicelab resource-monitor serve --config') kind='file' ;;
  *) return 1 ;;
  esac
}

_slicelab() {
  local IFS=$' \t\n' cur=${COMP_WORDS[COMP_CWORD]} path=${COMP_WORDS[0]##*/} word kind at
  local -a subcommands options operands given=()
  local ended=
  _slicelab_command "$path" || return
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=${COMP_WORDS[at]}
    if [[ $word == -- ]]; then
      ended=1
      break
    elif _slicelab_value "$path" "$word"; then
      ((++at == COMP_CWORD)) && _slicelab_words "$kind" && return
    elif [[ $word != -* ]]; then
      if ((${#given[@]} == 0)) && _slicelab_command "$path $word"; then
        path="$path $word"
      else
        _slicelab_command "$path"
        given+=("$word")
      fi
    fi
  done
  [[ -n $ended ]] && compopt -o default && return
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "${options[*]}" -- "$cur"))
  elif ((${#subcommands[@]} > 0)); then
    ((${#given[@]} > 0)) && return
    COMPREPLY=($(compgen -W "${subcommands[*]}" -- "$cur"))
  else
    kind=${operands[${#given[@]}]-}
    [[ -z $kind && ${#operands[@]} -gt 0 && ${operands[-1]} == +* ]] && kind=${operands[-1]}
    _slicelab_words "${kind#+}"
  fi
}

# Offers what is of the kind $1.
_slicelab_words() {
  case $1 in
  =*) COMPREPLY=($(compgen -W "${1#=}" -- "$cur")) ;;
  file) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
  directory) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
  slice) COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" completion words slices 2>/dev/null)" -- "$cur")) ;;
  node) COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" completion words nodes "${given[0]-}" 2>/dev/null)" -- "$cur")) ;;
  esac
  return 0
}

complete -F _slicelab slice slicelab
