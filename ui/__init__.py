"""The page: Gradio forms (blocks → txt2img → toprow, controls, gallery), the routes of its JavaScript (routes, progress), and static/.

The server owns tasks; a page only looks at them. Values go down by component name (bind → fields → request → service.submit).
"""
