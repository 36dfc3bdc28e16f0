"""modules.ui_components: A1111's own controls, as `interface` has Gradio's."""

from typing import Any

from extensions.a1111_scripts.interface import Gradio


def components(gradio: Gradio) -> dict[str, Any]:
    button, checkbox, dropdown = gradio.names["Button"], gradio.names["Checkbox"], gradio.names["Dropdown"]

    class InputAccordion(checkbox):
        """A checkbox with controls of its own below it."""

        def __init__(self, value: Any = False, **named: Any) -> None:
            super().__init__(value, **{"label": named.pop("label", ""), **named})
            self.accordion = self
            self.accordion_id = self.elem_id

        def extra(self) -> Any:
            return gradio.names["Column"]()

    class DropdownMulti(dropdown):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **{"multiselect": True, **named})

    class DropdownEditable(dropdown):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **{"allow_custom_value": True, **named})

    return {
        "FormComponent": object,
        "FormRow": gradio.names["Row"],
        "FormColumn": gradio.names["Column"],
        "FormGroup": gradio.names["Group"],
        "FormHTML": gradio.names["HTML"],
        "FormColorPicker": gradio.names["ColorPicker"],
        "ToolButton": button,
        "ResizeHandleRow": gradio.names["Row"],
        "InputAccordion": InputAccordion,
        "DropdownMulti": DropdownMulti,
        "DropdownEditable": DropdownEditable,
    }
