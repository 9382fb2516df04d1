# SPDX-License-Identifier: LGPL-2.1-or-later
# What ./run and ./check share: install what is missing, build out of tree. POSIX sh, sourced with the
# source directory in $top. Nothing is asked without a terminal; nothing is installed when all is there.

say () { printf '%s\n' "$*" >&2; }
die () { say "$0: $*"; exit 1; }
on_terminal () { [ -t 0 ] && [ -t 2 ]; }
cpus () { nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2; }

unset CDPATH MAKEFLAGS MAKELEVEL
PATH=$PATH:/usr/sbin:/sbin; export PATH

NEED_TOOLS='cc make awk sed autoconf automake aclocal autoreconf m4 pkg-config gdbus-codegen gdbus dbus-daemon python3 ip unshare nsenter hostname'
NEED_MODULES='glib-2.0 gio-unix-2.0 gnutls expat sqlite3 avahi-client avahi-glib avahi-core json-glib-1.0 libqrencode icu-i18n icu-uc'

PACKAGES_DEBIAN='gcc libc6-dev make autoconf automake pkg-config libglib2.0-dev libglib2.0-dev-bin libglib2.0-bin libgnutls28-dev libexpat1-dev
  libsqlite3-dev libavahi-client-dev libavahi-common-dev libavahi-core-dev libavahi-glib-dev libjson-glib-dev libqrencode-dev libicu-dev dbus python3 python3-gi iproute2 util-linux hostname'
PACKAGES_FEDORA='gcc make autoconf automake pkgconf-pkg-config glib2-devel gnutls-devel expat-devel sqlite-devel avahi-devel avahi-glib-devel
  json-glib-devel qrencode-devel libicu-devel dbus-daemon python3 python3-gobject-base iproute util-linux hostname libasan libubsan'
PACKAGES_ARCH='base-devel glib2 glib2-devel gnutls expat sqlite avahi json-glib qrencode icu dbus python python-gobject iproute2 util-linux inetutils'
PACKAGES_ALPINE='build-base autoconf automake pkgconf linux-headers glib-dev gnutls-dev expat-dev sqlite-dev avahi-dev json-glib-dev libqrencode-dev icu-dev dbus python3
  py3-gobject3 iproute2 util-linux coreutils'
PACKAGES_SUSE='gcc make autoconf automake pkgconf glib2-devel gnutls-devel libexpat-devel sqlite3-devel libavahi-devel libavahi-glib-devel
  json-glib-devel qrencode-devel libicu-devel dbus-1-daemon python3 python3-gobject iproute2 util-linux hostname'

# What ./check needs besides; without it some tests skip.
CHECK_TOOLS='openssl gnutls-cli certtool softhsm2-util tcpdump nft zbarimg zsh fish tmux'
CHECK_MODULES='libstrophe purple'
CHECK_PACKAGES_DEBIAN='openssl gnutls-bin softhsm2 libstrophe-dev libpurple-dev tcpdump nftables libdaemon0 zbar-tools python3-jsonschema zsh fish tmux'

# Prints what is missing, nothing when all is there.
missing () {
  for tool in $NEED_TOOLS; do
    command -v "$tool" >/dev/null 2>&1 || printf '%s ' "$tool"
  done
  if command -v pkg-config >/dev/null 2>&1; then
    # One call when all is well, which is nearly always.
    # shellcheck disable=SC2086
    pkg-config --exists $NEED_MODULES 2>/dev/null ||
      for module in $NEED_MODULES; do
        pkg-config --exists "$module" 2>/dev/null || printf '%s ' "$module"
      done
  else
    printf '%s ' "$NEED_MODULES"
  fi
  # The same interpreter that configure takes: the distribution's, which has the distribution's modules.
  PATH=/usr/bin:$PATH python3 -c 'import gi; gi.require_version("Gio", "2.0")' 2>/dev/null || printf 'python3-gi '
}

as_root () {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif ! command -v sudo >/dev/null 2>&1; then say "this needs root, and there is no sudo: $*"; return 1
  elif on_terminal; then sudo "$@"
  else sudo -n "$@"
  fi
}

# install_debian PACKAGE...: those of them that are not installed.
install_debian () {
  absent=
  for package in "$@"; do
    case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
      installed) ;;
      *) absent="$absent $package" ;;
    esac
  done
  [ -n "$absent" ] || { say "all packages are installed, and still missing: $lacking"; return 1; }
  say "These packages are needed:$absent"
  if on_terminal; then
    printf 'Install them with apt-get? [Y/n] ' >&2
    read -r answer || answer=n
    case $answer in ''|[yYjJ]*) ;; *) say "nothing installed"; return 1 ;; esac
  fi
  log=$(mktemp "${TMPDIR:-/tmp}/earshot-apt.XXXXXX")
  # A list that is there but old makes the install fail: so update first, always; it is seconds.
  # shellcheck disable=SC2086
  if ! { as_root apt-get -q update </dev/null &&
         as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends $absent </dev/null
       } >"$log" 2>&1; then
    tail -n 30 "$log" >&2; rm -f "$log"
    say "apt-get did not install them; do it by hand and come back: apt-get install$absent"
    return 1
  fi
  rm -f "$log"
}

# Leaves with everything installed, or says what to do and exits 1.
ensure_packages () {
  lacking=$(missing)
  [ -n "$lacking" ] || return 0
  if command -v apt-get >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    install_debian $PACKAGES_DEBIAN ${also-} || exit 1
    lacking=$(missing)
    [ -z "$lacking" ] || die "still missing after the installation: $lacking"
    return 0
  fi
  ID='' ID_LIKE=''
  # shellcheck disable=SC1091
  [ ! -r /etc/os-release ] || . /etc/os-release
  say "missing: $lacking"
  case " $ID $ID_LIKE " in
    *' fedora '*|*' rhel '*) die "install them: dnf install $(echo $PACKAGES_FEDORA)" ;;
    *' arch '*) die "install them: pacman -S --needed $(echo $PACKAGES_ARCH)" ;;
    *' alpine '*) die "install them: apk add $(echo $PACKAGES_ALPINE)" ;;
    *suse*) die "install them: zypper install $(echo $PACKAGES_SUSE)" ;;
    *) die "install the packages of your system that give these (on Debian: $(echo $PACKAGES_DEBIAN))" ;;
  esac
}

# ensure_check_tools DIR: what tests need besides. Never fatal: tests say why they skip.
ensure_check_tools () {
  lacking=
  for tool in $CHECK_TOOLS; do command -v "$tool" >/dev/null 2>&1 || lacking="$lacking $tool"; done
  for module in $CHECK_MODULES; do pkg-config --exists "$module" 2>/dev/null || lacking="$lacking $module"; done
  PATH=/usr/bin:$PATH python3 -c 'import jsonschema' 2>/dev/null || lacking="$lacking python3-jsonschema"
  if [ -n "$lacking" ]; then
    # shellcheck disable=SC2086
    if ! command -v apt-get >/dev/null 2>&1 || ! (install_debian $CHECK_PACKAGES_DEBIAN); then say "some tests will skip for want of:$lacking"; fi
  fi
  # An installed avahi-daemon would start, and announce this machine on its real links. The tests only need the programs.
  if ! command -v avahi-daemon >/dev/null 2>&1 || ! command -v avahi-publish >/dev/null 2>&1; then
    if [ ! -x "$1/usr/bin/avahi-publish" ] && command -v apt-get >/dev/null 2>&1; then
      mkdir -p "$1"
      (cd "$1" && apt-get -q download avahi-daemon avahi-utils && for deb in *.deb; do dpkg-deb -x "$deb" . || exit; done) \
        >"$1/download.log" 2>&1 </dev/null ||
        say "no avahi-daemon, and none to be had (${1#"$top"/}/download.log): its tests will skip"
    fi
    PATH=$PATH:$1/usr/sbin:$1/usr/bin
  fi
}

# quietly LOG COMMAND...: runs it, shows the log's end only when it fails.
quietly () {
  quiet_log=$1; shift
  if "$@" >"$quiet_log" 2>&1 </dev/null; then return 0; fi
  say "--- failed: $*"; tail -n 60 "$quiet_log" >&2; say "--- the whole log: $quiet_log"
  return 1
}

# build DIR [CONFIGURE SWITCHES]: what is not up to date, and nothing else.
build () {
  build_dir=$1; shift
  mkdir -p "$build_dir" || return 1
  # What is older than its sources later on, make's own rules prepare anew.
  if [ ! -x "$top/configure" ] || [ ! -f "$top/Makefile.in" ]; then
    say "preparing (autoreconf)"
    (cd "$top" && quietly "$build_dir/autoreconf.log" autoreconf -fi) || return 1
  fi
  if [ ! -f "$build_dir/Makefile" ]; then
    say "configuring ${build_dir##*/}/"
    (cd "$build_dir" && quietly "$build_dir/configure.log" ../configure "$@") || return 1
  fi
  # -q looks without building: a build that is up to date says nothing.
  if ! make -C "$build_dir" -q all >/dev/null 2>&1; then
    say "building ${build_dir##*/}/"
    quietly "$build_dir/make.log" make -C "$build_dir" -j"$(cpus)" all || return 1
  fi
}

# private_bus DIR: a bus of our own, without service activation (an installed earshotd must not start on it).
# Sets bus_address and bus_pid; returns when it accepts connections.
private_bus () {
  cat >"$1/bus.conf" <<END || return 1
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=$1/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <!-- as the session bus of every desktop has them; the built-in ones are the system bus's -->
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
  <limit name="max_message_size">1000000000</limit>
  <limit name="max_replies_per_connection">50000</limit>
  <limit name="max_match_rules_per_connection">50000</limit>
</busconfig>
END
  # --fork returns once the bus listens.
  bus_pid=$(dbus-daemon --config-file="$1/bus.conf" --fork --print-pid 2>"$1/bus.log") || { cat "$1/bus.log" >&2; return 1; }
  bus_address=unix:path=$1/bus
}
