#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A desktop's notifications, without the desktop: each Notify and CloseNotification is a JSON line; "invoke NUMBER ACTION" on stdin clicks."""
import json
import sys

from gi.repository import Gio, GLib

XML = """<node><interface name="org.freedesktop.Notifications">
<method name="Notify"><arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
<arg type="s" direction="in"/><arg type="as" direction="in"/><arg type="a{sv}" direction="in"/><arg type="i" direction="in"/><arg type="u" direction="out"/></method>
<method name="CloseNotification"><arg type="u" direction="in"/></method>
<method name="GetCapabilities"><arg type="as" direction="out"/></method>
<signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
<signal name="NotificationClosed"><arg type="u"/><arg type="u"/></signal>
</interface></node>"""
PATH, NAME = "/org/freedesktop/Notifications", "org.freedesktop.Notifications"
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
last = 0


def say(**what):
    print(json.dumps(what, sort_keys=True), flush=True)


def on_call(_bus, _sender, _path, _interface, method, parameters, invocation):
    global last
    if method == "Notify":
        _app, _replaces, _icon, title, body, actions, _hints, _timeout = parameters.unpack()
        last += 1
        say(event="notify", id=last, title=title, body=body, actions=actions[::2])
        invocation.return_value(GLib.Variant("(u)", (last,)))
    elif method == "CloseNotification":
        say(event="close", id=parameters.unpack()[0])
        invocation.return_value(None)
    else:
        invocation.return_value(GLib.Variant("(as)", (["body", "body-markup", "actions"],)))


def on_line(source, _condition):
    line = sys.stdin.readline()
    if not line:
        return False
    _verb, number, action = line.split()
    bus.emit_signal(None, PATH, NAME, "ActionInvoked", GLib.Variant("(us)", (int(number), action)))
    return True


bus.register_object(PATH, Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0], on_call, None, None)
Gio.bus_own_name_on_connection(bus, NAME, 0, lambda *_: say(event="listening"), None)
GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP, on_line)
GLib.MainLoop().run()
