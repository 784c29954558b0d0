//! What `--help` says.

pub(crate) const USAGE: &str = "\
Usage: natrium [options]

Server options:
    -a, --addr, --net HOST        address to listen on (default: 0.0.0.0)
    -p, --port PORT               port to listen on (default: 4222, -1 for any)
    -n, --name, --server_name N   name of the server (default: its id)
    -P, --pid FILE                file for the process id
    -c, --config FILE             configuration file
    -t                            check the configuration file and exit
        --client_advertise URL    address told to clients instead of the listener's
        --shards N                executors, each on a CPU (default: all CPUs allowed)

Logging options:
    -D, --debug                   debug lines
    -V, --trace                   trace lines, the protocol as it is spoken
    -VV                           trace lines of the system account as well
    -DV, -DVV                     debug lines and either of these
    -T, --logtime=false           lines without their time
        --max_traced_msg_len N    bytes of a payload that a trace line shows

Authorization options:
        --user NAME               user that clients must present
        --pass PASSWORD           and its password, in clear or a bcrypt hash
        --auth TOKEN              token that clients must present

Other options:
    -h, --help                    this text
    -v, --version                 versions

Flags go before the configuration file. Values may follow after a space or '='.";

pub(crate) const TLS: &str = "TLS is not supported yet.";
