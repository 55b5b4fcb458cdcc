"""Run in the trial's kernel before the first cell: a stand-in for the part of `google.colab` that widgets meet.

There, a widget that is not of ipywidgets itself is shown only after `enable_custom_widget_manager()`, which
makes the display of each name the address that the page loads the manager from. No name is left behind.
"""

import sys
import types

VIEW = "application/vnd.jupyter.widget-view+json"
google, colab, output, widgets = map(
    types.ModuleType, ("google", "google.colab", "google.colab.output", "google.colab.output._widgets")
)
google.colab, colab.output, output._widgets, widgets._installed_url = colab, output, widgets, None


def enable_custom_widget_manager(widgets=widgets, view=VIEW, publisher=get_ipython().display_pub):  # noqa: F821
    def name_the_manager(message):
        content = message.get("content", {})
        if view in content.get("data", {}):
            content["metadata"].setdefault(view, {})["colab"] = {"custom_widget_manager": {"url": widgets._installed_url}}
        return message

    if not widgets._installed_url:
        widgets._installed_url = "https://example.org/manager.min.js"
        publisher.register_hook(name_the_manager)


output.enable_custom_widget_manager = enable_custom_widget_manager
sys.modules |= {m.__name__: m for m in (google, colab, output, widgets)}
del sys, types, VIEW, google, colab, output, widgets, enable_custom_widget_manager
