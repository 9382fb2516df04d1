# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that is none: the interfaces of dbus/*.xml on a private bus, with canned state, in a thread of the test."""

import ctypes
import glob
import os
import signal
import subprocess
import tempfile
import threading

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "im.earshot.Earshot1"
ROOT = "/im/earshot/Earshot1"
PREFIX = NAME + "."

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%(dir)s/bus</listen><auth>EXTERNAL</auth>
<servicedir>%(dir)s</servicedir>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""

MANAGER_XML = """<node><interface name="org.freedesktop.DBus.ObjectManager">
<method name="GetManagedObjects"><arg type="a{oa{sa{sv}}}" direction="out"/></method>
<signal name="InterfacesAdded"><arg type="o"/><arg type="a{sa{sv}}"/></signal>
<signal name="InterfacesRemoved"><arg type="o"/><arg type="as"/></signal>
</interface></node>"""


LIBC = ctypes.CDLL(None)


def die_with_parent():
    """A test that is killed leaves no bus behind."""
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Bus:
    """A dbus-daemon of our own on a path socket."""

    def __init__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="earshot-cli.")
        config = os.path.join(self.dir.name, "bus.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG % {"dir": self.dir.name})
        self.process = subprocess.Popen(
            ["dbus-daemon", "--config-file=" + config, "--nofork", "--print-address=1"], stdout=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent,
        )
        self.process.stdout.readline()
        self.address = "unix:path=%s/bus" % self.dir.name

    def connect(self):
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        return Gio.DBusConnection.new_for_address_sync(self.address, flags, None, None)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        self.dir.cleanup()


class Failure(Exception):
    """What a method answers with."""

    def __init__(self, name, message="because the test says so"):
        super().__init__(message)
        self.name = name


def variant(signature, value):
    return GLib.Variant(signature, value)


class Mock:
    def __init__(self, bus, xml_dir):
        self.bus = bus
        self.interfaces = {}
        for path in glob.glob(os.path.join(xml_dir, "*.xml")):
            with open(path, encoding="utf-8") as file:
                for info in Gio.DBusNodeInfo.new_for_xml(file.read()).interfaces:
                    self.interfaces[info.name[len(PREFIX):]] = info
        self.objects = {}       # path -> interface -> property -> Variant
        self.registered = {}    # (path, interface) -> id
        self.calls = []         # (method, path, unpacked arguments)
        self.failures = {}      # method -> [Failure, ...] answered first, one each
        self.log = []           # [seq, time, kind, conversation, id, {key: Variant}]
        self.consumers = {}     # name -> cursor
        self.retained = 0       # entries below this seq are pruned
        self.silent = set()     # methods that never answer
        self.agents = []        # (unique name, path), as they registered
        self.after_send = None  # called with the new message's entry, in the mock's thread
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        if not self.ready.wait(30):
            raise RuntimeError("the mock does not start")

    # --- thread and bus

    def serve(self):
        self.context = GLib.MainContext.new()
        self.context.push_thread_default()
        self.loop = GLib.MainLoop.new(self.context, False)
        self.connection = self.bus.connect()
        info = Gio.DBusNodeInfo.new_for_xml(MANAGER_XML).interfaces[0]
        self.connection.register_object(ROOT, info, self.on_call, None, None)
        self.own()
        self.ready.set()
        self.loop.run()
        self.connection.close_sync(None)
        self.context.pop_thread_default()

    def bus_call(self, method, arguments):
        return self.connection.call_sync(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", method, arguments, None, 0, -1, None
        )

    def own(self):
        self.bus_call("RequestName", variant("(su)", (NAME, 4)))

    def disown(self):
        self.bus_call("ReleaseName", variant("(s)", (NAME,)))

    def stop(self):
        self.do(self.loop.quit)
        self.thread.join(30)

    def do(self, function, *arguments):
        """Runs it in the mock's thread and returns what it returns."""
        done = threading.Event()
        result = []

        def invoke():
            try:
                result.append(function(*arguments))
            finally:
                done.set()
            return False

        source = GLib.Idle()
        source.set_callback(lambda *_: invoke())
        source.attach(self.context)
        if not done.wait(30):
            raise RuntimeError("the mock does not answer")
        return result[0] if result else None

    # --- objects

    def signature(self, interface, name):
        return self.interfaces[interface].lookup_property(name).signature

    def pack(self, interface, properties):
        return {name: variant(self.signature(interface, name), value) for name, value in properties.items()}

    def defaults(self, interface):
        empty = {"s": "", "o": "/", "b": False, "u": 0, "t": 0, "x": 0, "q": 0, "a{sv}": {}}
        return {p.name: empty.get(p.signature, []) for p in self.interfaces[interface].properties}

    def add(self, path, interface, announce=False, **properties):
        values = self.pack(interface, {**self.defaults(interface), **properties})
        self.objects.setdefault(path, {})[interface] = values
        key = (path, interface)
        if key not in self.registered:
            self.registered[key] = self.connection.register_object(
                path, self.interfaces[interface], self.on_call, None, None
            )
        if announce:
            self.emit(ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", variant("(oa{sa{sv}})", (path, {PREFIX + interface: values})))

    def remove(self, path):
        names = [PREFIX + name for name in self.objects.pop(path)]
        for key in [key for key in self.registered if key[0] == path]:
            self.connection.unregister_object(self.registered.pop(key))
        self.emit(ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", variant("(oas)", (path, names)))

    def change(self, path, interface, **properties):
        values = self.pack(interface, properties)
        self.objects[path][interface].update(values)
        self.emit(path, "org.freedesktop.DBus.Properties", "PropertiesChanged", variant("(sa{sv}as)", (PREFIX + interface, values, [])))

    def typing(self, path, active):
        self.emit(path, PREFIX + "Conversation", "Typing", variant("(ob)", (path, active)))

    def emit(self, path, interface, name, arguments):
        self.connection.emit_signal(None, path, interface, name, arguments)

    # --- the log

    def append(self, kind, conversation, message_id, time=0, announce=True, **data):
        types = {"from": "o", "sent_time": "x", "insecure": "b", "imported": "b", "edited": "x", "retracted": "x", "reactions": "a(oas)", "emojis": "as"}
        seq = len(self.log) + 1
        values = {key.rstrip("_"): variant(types.get(key.rstrip("_"), "s"), value) for key, value in data.items()}
        self.log.append([seq, time or 1767607331512034 + seq * 1000000, kind, conversation, message_id, values])
        self.objects[ROOT]["Messages"]["HeadSeq"] = variant("t", seq)
        if announce:
            self.appended(seq, kind, conversation)
        return seq

    def appended(self, seq, kind, conversation):
        self.emit(ROOT, PREFIX + "Messages", "Appended", variant("(tso)", (seq, kind, conversation)))

    def set_state(self, message_id, state, reason="", logged=True):
        for entry in self.log:
            if entry[4] == message_id and entry[2] == "message":
                entry[5]["state"], entry[5]["reason"] = variant("s", state), variant("s", reason)
                if logged:
                    self.append("state", entry[3], message_id, state=state, reason=reason)
                else:
                    self.appended(entry[0], "state", entry[3])
                return

    # --- what arrives

    def on_call(self, _connection, sender, path, interface, method, arguments, invocation):
        unpacked = arguments.unpack()
        if method == "RegisterAgent":
            self.agents.append((sender, unpacked[0]))
        if method != "GetManagedObjects":
            self.calls.append((method, path, unpacked))
        if method in self.silent:
            return
        try:
            if self.failures.get(method):
                failure = self.failures[method].pop(0)
                if failure is not None:
                    raise failure
            answer = getattr(self, "do_" + method, lambda *_: None)(path, *unpacked)
            invocation.return_value(answer)
        except Failure as failure:
            name = failure.name if "." in failure.name else PREFIX + "Error." + failure.name
            invocation.return_dbus_error(name, str(failure))
        except Exception as error:  # a bug of the test: say so instead of hanging
            invocation.return_dbus_error("org.freedesktop.DBus.Error.Failed", "mock: %r" % error)

    def do_GetManagedObjects(self, _path):
        managed = {path: {PREFIX + name: values for name, values in known.items()} for path, known in self.objects.items()}
        return variant("(a{oa{sa{sv}}})", (managed,))

    def do_GetAll(self, path, interface):
        if interface[len(PREFIX):] not in self.objects.get(path, {}):
            raise Failure("NotFound")
        return variant("(a{sv})", (self.objects[path][interface[len(PREFIX):]],))

    def tell_agent(self, method, signature, *arguments):
        """The last that registered; in the mock's thread, without waiting for it."""
        name, path = self.agents[-1]
        self.connection.call(name, path, PREFIX + "Agent", method, variant(signature, arguments), None, 0, -1, None, None)

    def do_Set(self, path, interface, name, value):
        self.change(path, interface[len(PREFIX):], **{name: value})

    def do_Send(self, _path, conversation, body, options):
        message_id = options.get("token", "id-%d" % (len(self.log) + 1))
        if "edit_of" in options:
            seq = self.append("edit", conversation, message_id, direction="out", about=options["edit_of"], body=body, state="queued", reason="")
            return variant("(st)", (message_id, seq))
        seq = self.append("message", conversation, message_id, direction="out", body=body, state="queued", reason="")
        if self.after_send:
            self.after_send(self.log[-1])
        return variant("(st)", (message_id, seq))

    def do_Retract(self, _path, message_id):
        return variant("(st)", ("retraction", 99))

    def do_React(self, _path, _conversation, message_id, emojis):
        return variant("(st)", ("reaction", 99))

    def do_Get(self, path, message_id, name=None):
        if name is not None:  # of org.freedesktop.DBus.Properties
            return variant("(v)", (self.objects[path][message_id[len(PREFIX):]][name],))
        for entry in self.log:
            if entry[4] == message_id and entry[2] == "message":
                return variant("(a{sv})", ({**entry[5], "seq": variant("t", entry[0]), "id": variant("s", message_id)},))
        raise Failure("NotFound")

    def select(self, conversation, options):
        kinds = options.get("kinds")
        unknown = set(options) - {"kinds", "conversation"}
        if unknown:
            raise Failure("InvalidArgument", "unknown filter %s" % unknown)
        return [e for e in self.log if conversation in ("/", e[3]) and (kinds is None or e[2] in kinds) and e[0] >= self.retained]

    def do_List(self, _path, conversation, before, limit, options):
        words = options.pop("words", None)
        if words is not None and not words.strip():
            raise Failure("InvalidArgument", "no words")
        found = [e for e in reversed(self.select(conversation, options)) if before == 0 or e[0] < before]
        if words is not None:
            found = [e for e in found if set(words.lower().split()) <= set(e[5]["body"].unpack().lower().split())]
        return variant("(a(txsosa{sv})b)", ([tuple(e) for e in found[:limit]], len(found) > limit))

    def do_Import(self, _path, entries, options):
        added = 0
        for time, conversation, id_, body, data in entries:
            if any(entry[4] == id_ and entry[3] == conversation for entry in self.log):
                continue
            added += 1
            data["body"], data["imported"] = body, True
            self.log.append([max([l[0] for l in self.log] + [0]) + 1, time, "message", conversation, id_,
                             {k: variant({str: "s", bool: "b", int: "x"}[type(v)], v) for k, v in data.items()}])
        return variant("(uu)", (added, len(entries) - added))

    def do_Fetch(self, _path, consumer, limit, options):
        if consumer not in self.consumers:
            raise Failure("NotFound", "no consumer %s" % consumer)
        cursor = self.consumers[consumer]
        if cursor + 1 < self.retained:
            raise Failure("CursorExpired")
        found = [e for e in self.select(options.get("conversation", "/"), options) if e[0] > cursor]
        taken = found[: min(limit, 2)]  # small pages, so that `more` is used
        last = taken[-1][0] if taken else cursor
        return variant("(a(txsosa{sv})tb)", ([tuple(e) for e in taken], last, len(found) > len(taken)))

    def do_Ack(self, _path, consumer, seq):
        self.consumers[consumer] = max(self.consumers[consumer], seq)

    def do_CreateCertificateRequest(self, _path, _addresses, _options):
        return variant("(s)", ("REQUEST\n",))

    def do_RotateIdentity(self, _path, _options):
        return variant("(s)", ("77" * 32,))

    def do_ImportIdentity(self, _path, _handle, _passphrase, _options):
        return variant("(s)", ("88" * 32,))

    def do_CreateConsumer(self, _path, name, options):
        head = len(self.log)
        self.consumers.setdefault(name, max(self.retained - 1, 0) if options.get("from_start") else head)
        return variant("(t)", (self.consumers[name],))

    def do_DeleteConsumer(self, _path, name):
        del self.consumers[name]

    def do_Resolve(self, path, choice, options):
        pass

    def do_ListAppAccess(self, _path):
        return variant("(a(sasa{sv}))", ([("flatpak:org.example.Chat", ["read"], {})],))

    def do_AddStatic(self, _path, endpoint):
        return variant("(o)", (ROOT + "/contact/4",))

    def do_ListStatic(self, _path):
        return variant("(a(so))", ([("192.0.2.7:5298", ROOT + "/contact/4")],))

    def do_Probe(self, _path, endpoint, timeout):
        return variant("(a{sv})", ({"fingerprint": variant("s", "ab" * 32), "result": variant("s", "ok\x1b[2J")},))
