//! What `--help` says.

pub(crate) const USAGE: &str = "\
Usage: natrium [options]
       natrium store check|dump|repair FOLDER [--log FOLDER] [--key-file FILE|--key-env NAME] [--json] ...

Server options:
    -a, --addr, --net HOST        address to listen on (default: 0.0.0.0)
    -p, --port PORT               port to listen on (default: 4222, -1 for any)
    -n, --name, --server_name N   name of the server (default: its id)
    -P, --pid FILE                file for the process id
        --ports_file_dir DIR      folder for a file that tells the ports
    -c, --config FILE             configuration file
    -t                            check the configuration file and exit
        --client_advertise URL    address told to clients instead of the listener's
    -m, --http_port PORT          monitoring over HTTP
    -ms, --https_port PORT        monitoring over HTTPS
        --shards N                executors, each on a CPU (default: all CPUs allowed)

    -sl, --signal NAME[=PID]      tell a running server to stop, quit, term, reopen, reload or ldm

Logging options:
    -D, --debug                   debug lines
    -V, --trace                   trace lines, the protocol as it is spoken
    -VV                           trace lines of the system account as well
    -DV, -DVV                     debug lines and either of these
    -T, --logtime=false           lines without their time
        --logtime_utc             times in UTC
    -l, --log FILE                log file instead of standard error
        --log_size_limit BYTES    size at which a new log file is begun
    -s, --syslog                  log to the machine's syslog
    -r, --remote_syslog URL       log to another syslog (udp://localhost:514)
        --max_traced_msg_len N    bytes of a payload that a trace line shows

Authorization options:
        --user NAME               user that clients must present
        --pass PASSWORD           and its password, in clear or a bcrypt hash
        --auth TOKEN              token that clients must present

TLS options:
        --tls                     clients speak TLS; --help_tls says more

Other options:
    -h, --help                    this text
    -v, --version                 versions

Flags go before the configuration file. Values may follow after a space or '='.";

pub(crate) const TLS: &str = "\
TLS options:
        --tls                     clients speak TLS
        --tlscert FILE            PEM file of the server's certificate chain
        --tlskey FILE             PEM file of its private key
        --tlsverify               clients must show a certificate
        --tlscacert FILE          PEM file of the authorities client certificates must come from

These flags take the place of the tls block of a configuration file; --tls=false switches it off.";
