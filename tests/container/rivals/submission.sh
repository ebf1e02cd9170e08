# What each made-up submission does. SECRET stands for what a container might print of its input.
echo "SECRET $BEHAVIOUR"

# --- Results of a case, from label maps made beforehand, in whatever convention it is called ---
copy() { cp "/maps/$MAPS/${1%%_*}/anat/$1_dseg.nii.gz" "$2" && if [[ -n $3 ]]; then cp "/maps/$MAPS/${1%%_*}/anat/$1_biom.csv" "$3"; fi; }
good() {
  local image name folder
  if [[ -n ${t2w_image:-} ]]; then
    name=$(basename "$t2w_image" .nii.gz)
    [[ -r $t2w_image && -r $participants ]] && copy "$name" "$output_seg" "$output_biom"
  elif [[ -n ${bids_input:-} ]]; then
    for image in "$bids_input"/sub-*/anat/*_T2w.nii.gz; do
      name=$(basename "$image" .nii.gz) folder=$bids_input/derivatives/predictions/$teamname/${name%%_*}/anat
      mkdir -p "$folder" && copy "$name" "$folder/${name}_dseg.nii.gz" "$folder/${name}_biom.csv"
    done
  elif [[ -d /input_img ]]; then
    [[ -r /input_meta/meta.json ]] || exit 9
    for image in /input_img/anat/*_T2w.nii.gz; do
      name=$(basename "$image" .nii.gz) && copy "$name" "/output/${name%%_*}_seg_result.nii.gz" ""
    done
  else
    for image in /input/sub-*/anat/*_T2w.nii.gz; do
      name=$(basename "$image" .nii.gz) folder=/output/${name%%_*}/anat
      mkdir -p "$folder" && copy "$name" "$folder/${name}_dseg.nii.gz" "$folder/${name}_biom.csv"
    done
  fi
}
# A system call by its number on this processor, and its arguments: it fails where the call is refused.
call() { perl -e 'exit((syscall(shift @ARGV, map { 0 + $_ } @ARGV) < 0) ? 1 : 0)' "$@"; }
try() { if (exec >/dev/null 2>&1; "${@:2}"); then echo "REACHED $1"; else echo "kept from $1"; fi; }
dial() { timeout 3 bash -c "exec 3<>/dev/$1"; }
fill() { cat /dev/zero >"$1/$2"; ls -la "$1" | tail -1; }

case $BEHAVIOUR in
  good) good ;;
  slow) sleep "${PAUSE:-1}"; good ;;
  stuck) good; sleep infinity ;;
  deaf) trap '' TERM INT HUP; while :; do sleep 1000; done ;;
  silent) : ;;
  crash) exit 3 ;;
  no-program) exec /no/such/program ;;
  memory) a=x; while :; do a=$a$a; done ;;
  memory-first)
    # Back to where the host's other processes stand, before it takes all that it can.
    for score in 499 0 -1000; do echo $score >/proc/self/oom_score_adj; done 2>/dev/null
    echo "score $(cat /proc/self/oom_score_adj)"; tail /dev/zero ;;
  memory-child) tail /dev/zero; exit 0 ;;
  forks) bomb() { bomb | bomb & }; bomb; sleep infinity ;;
  disk) for folder in /tmp /dev/shm /bottomless /output; do fill $folder "zeros_dseg.nii.gz"; done 2>&1; exit 0 ;;
  disk-once) fill /output only_dseg.nii.gz; df -k /output /bottomless ;;
  files) i=0; while : 2>/dev/null >"/output/$((i++))"; do :; done; exit 0 ;;
  holes) good; truncate -s 1T /output/sub-001_rec-mial_T2w_dseg.nii.gz ;;
  flood) yes "SECRET flood" ;;
  flood-well) yes "SECRET flood" | head -c 20000000; good ;;
  escape-codes) printf '\033[2J\033]0;owned\007\r\n\xff\xfe\n'; good ;;
  zombies)
    for i in $(seq 20); do (sleep 0.1 & exec true) & done
    setsid nohup sleep 987654321 >/dev/null 2>&1 & setsid nohup sleep 987654321 & good ;;
  killed) good; kill -9 $$ ;;
  killed-late) good; sh -c 'kill -TERM $PPID'; sleep 9 ;;
  writes)
    for folder in /tmp /workspace/cache /declared /store /bottomless; do
      if mkdir $folder/of-mine && echo x >$folder/of-mine/x; then echo "wrote to $folder"; else stat $folder; fi
    done
    id -u; good ;;
  linked)
    good; mkdir -p /output/kept; cd /output
    for file in sub-*/anat/*; do mv "$file" kept/; ln "kept/${file##*/}" "$file"; done ;;
  odd-files)
    mkfifo /output/pipe_dseg.nii.gz
    ln -s /etc/passwd /output/sub-001_rec-mial_T2w_dseg.nii.gz; ln -s / /output/sub-001; ln -s /proc /output/derivatives
    mkdir -p /output/sub-002/anat/sub-002_rec-mial_T2w_dseg.nii.gz; good
    echo a >/output/hard; ln /output/hard /output/sub-009_rec-mial_T2w_biom.csv
    mkdir -p /output/a/b/c/d/e/f/g/h/i/j; echo x >/output/a/b/c/d/e/f/g/h/i/j/sub-001_dseg.nii.gz
    printf x >"/output/$(printf 'a\nb\033[31m')_dseg.nii.gz"; chmod 0 /output/hard ;;
  reach)
    # The network, through whatever is there.
    try "an address" dial tcp/1.1.1.1/53
    try "the host by its bridge" dial tcp/172.17.0.1/22
    try "a name" getent hosts example.org
    try "a second interface" test "$(ls /sys/class/net | grep -vc '^lo$')" -gt 0
    # The engine and the host.
    try "the engine's socket" test -e /var/run/docker.sock -o -e /run/docker.sock -o -e /run/containerd
    try "a disk" bash -c 'ls /dev/sd* /dev/vd* /dev/nvme* /dev/dm-*'
    try "a new device" mknod /tmp/disk b 254 0
    try "a mount" mount -t tmpfs none /tmp
    try "a mount of its own user" unshare -rm true
    try "another root" chroot / true
    try "the kernel's memory" bash -c '[[ $(head -c 4 /proc/kcore | tr -d "\0") ]]'
    try "the kernel's settings" bash -c 'echo x >/proc/sys/kernel/core_pattern'
    try "the kernel's levers" bash -c 'echo h >/proc/sysrq-trigger'
    try "a control group" bash -c 'mkdir /sys/fs/cgroup/x || mkdir /sys/fs/cgroup/memory/x'
    try "a process of the host" bash -c '[[ $(ls -d /proc/[0-9]* | wc -l) -gt 15 ]]'
    try "more rights" bash -c '[[ $(sed -n "s/^CapEff:\s*//p;s/^CapPrm:\s*//p;s/^CapBnd:\s*//p" /proc/self/status | tr -d "0\n") ]]'
    # The kernel's parts that containers need not reach.
    if [[ $(uname -m) == x86_64 ]]; then
      try "io_uring" call 425 1 0
      try "io_uring, if it were there" perl -e 'syscall(425, 1, 0); exit($! == 1 ? 1 : 0)'
    fi
    try "a socket to the machine below (AF_VSOCK)" perl -e 'socket(my $s, 40, 1, 0) or exit 1'
    try "the kernel's ciphers (AF_ALG)" perl -e 'socket(my $s, 38, 5, 0) or exit 1'
    try "raw packets" perl -e 'socket(my $s, 17, 3, 0) or exit 1'
    try "the host's control groups" bash -c 'grep -v ":/$" /proc/self/cgroup'
    try "setuid programs" bash -c 'grep -q "^NoNewPrivs:\s*0" /proc/self/status'
    # Its own image, the input, and what is beside it.
    try "its own root" touch /fetachallenge/x
    try "the engine's files" bash -c 'echo x >>/etc/hosts'
    try "the input" touch /input/x
    try "a volume of the input" bash -c 'for f in $(find /input -type f); do echo x >>$f || exit 1; done'
    try "another case" test "$(find /input -name '*T2w*' | wc -l)" -gt 1
    try "the truth" bash -c 'find / \( -path /proc -o -path /sys -o -path /maps \) -prune -o \( -name "*_dseg*" -o -name "biometry.tsv" -o -name "*truth*" \) -print 2>/dev/null | grep -v "^/usr\|^/var/lib" | grep .'
    try "the truth beside the input" bash -c 'ls -R /input | grep -i "dseg\|truth\|biom"'
    try "what others left" bash -c 'ls -A /output /tmp /dev/shm /bottomless | grep "^[^/]"'
    good ;;
  # What `feta-evaluate rehearse` has to find out.
  wants-network) [[ $(ls /sys/class/net | grep -vc '^lo$') -gt 0 ]] || { echo "Temporary failure in name resolution"; exit 7; }; good ;;
  wants-root) [[ $(id -u) == 0 ]] || { echo "Permission denied"; exit 8; }; good ;;
  wants-cache) mkdir -p /fetachallenge/cache && echo x >/fetachallenge/cache/model || exit 9; good ;;
  wants-both) [[ $(id -u) == 0 && $(ls /sys/class/net | grep -vc '^lo$') -gt 0 ]] || exit 7; good ;;
  *) echo "no such behaviour"; exit 9 ;;
esac
